import type { Line } from '../../bench/ops.ts';

/** A measured line with the least and the median time. */
export function line(
  name: string,
  variant: string | undefined,
  picked: boolean,
  times: [number, number],
): Line {
  const wall = { min: times[0], median: times[1], max: times[1] + 1 };
  const none = { flops: undefined, bytes: undefined, gflops: undefined, gbs: undefined };
  return {
    name,
    variant,
    picked,
    wall,
    gpu: undefined,
    outside: undefined,
    dispatches: 1,
    ...none,
    share: 0.5,
    bound: 'memory',
  };
}
