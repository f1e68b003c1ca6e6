// The roof while other things are measured: a machine is never twice as fast as it was.
import type { Device } from '../src/tensor/device.ts';
import { type Job, type Measured, type MeasureOptions, measure, timeOf } from './measure.ts';
import type { Bounds } from './roof.ts';
import { RoofKernels, type WorkJob } from './roof-kernels.ts';

export interface WithBounds {
  readonly bounds: Bounds;
  /** In the order of the jobs. */
  readonly measured: readonly Measured[];
}

/** `measure`, with a multiply-add and a copy kernel as two more jobs of every round: the roof of these very rounds. */
export async function measureWithBounds(
  device: Device,
  jobs: readonly Job[],
  options: MeasureOptions & { readonly seconds?: number },
): Promise<WithBounds> {
  const kernels = new RoofKernels(device, options.seconds ?? 6);
  try {
    const roof = [await kernels.multiplyAdd(), await kernels.copy('copy', 4)] as const;
    const all = await measure(device, [...roof, ...jobs], options);
    const [multiplyAdd, copy, ...measured] = all as [Measured, Measured, ...Measured[]];
    const rate = (job: WorkJob, times: Measured) => job.work / timeOf(times).median / 1e6;
    return { bounds: { multiplyAdd: rate(roof[0], multiplyAdd), copy: rate(roof[1], copy) }, measured };
  } finally {
    kernels.dispose();
  }
}
