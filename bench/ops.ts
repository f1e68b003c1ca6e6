// Measures ops at fixed sizes: every variant, gradients, shares of the roof.
import type { Device } from '../src/tensor/device.ts';
import { measureWithBounds } from './bounds.ts';
import { type BenchCase, gradientOf, type Tensors } from './case.ts';
import { type Job, type Measured, type MeasureOptions, timeOf } from './measure.ts';
import { type Bounds, shareOf } from './roof.ts';

export interface OpsOptions extends MeasureOptions {
  /** Every variant that the op's family offers at this size, each forced. */
  readonly variants: boolean;
  /** The gradients too, of cases that have one. */
  readonly grad: boolean;
  /** About how long finding the roof may take; below 1 only for tests. */
  readonly seconds?: number;
}

export interface OpsResult {
  /** The roof in the rounds in which the lines were measured. */
  readonly bounds: Bounds;
  readonly lines: readonly Line[];
}

/** One measured line. */
export interface Line extends Measured {
  readonly name: string;
  /** `family=variant`; undefined where there is one kernel only or variants were not asked for. */
  readonly variant: string | undefined;
  /** What the library runs when nothing is forced. */
  readonly picked: boolean;
  readonly flops: number | undefined;
  readonly bytes: number | undefined;
  /** Rates of the GPU's time, or the wall's where there is none. */
  readonly gflops: number | undefined;
  readonly gbs: number | undefined;
  /** Of the roof, and which part of it is the bound. */
  readonly share: number | undefined;
  readonly bound: 'compute' | 'memory' | undefined;
}

/** A picked variant that another one beats. */
export interface WrongPick {
  readonly name: string;
  readonly picked: string;
  readonly better: string;
  /** How many times as fast. */
  readonly factor: number;
}

/** More than this is a wrong pick, not noise. */
const PICK_MARGIN = 1.15;

interface Entry extends Job {
  readonly test: BenchCase;
  readonly variant: string | undefined;
  readonly picked: boolean;
}

/** Measures all cases in interleaved rounds. */
export async function measureOps(
  device: Device,
  cases: readonly BenchCase[],
  options: OpsOptions,
): Promise<OpsResult> {
  const entries: Entry[] = [];
  const made: Tensors[] = [];
  try {
    for (const test of cases) {
      const inputs = test.make(device);
      made.push(inputs);
      const tests = options.grad && hasGradient(test, cases) ? [test, gradientOf(test)] : [test];
      for (const each of tests) entries.push(...(await entriesOf(device, each, inputs, options.variants)));
    }
    const { bounds, measured } = await measureWithBounds(device, entries, options);
    return { bounds, lines: entries.map((entry, i) => lineOf(entry, measured[i] as Measured, bounds)) };
  } finally {
    for (const tensor of made.flatMap((inputs) => Object.values(inputs))) tensor.dispose();
    device.pool.clear();
  }
}

/** Whether there is a gradient to measure that is not among the cases anyway. */
function hasGradient(test: BenchCase, cases: readonly BenchCase[]): boolean {
  return test.wrt.length > 0 && cases.every(({ name }) => name !== gradientOf(test).name);
}

async function entriesOf(
  device: Device,
  test: BenchCase,
  inputs: Tensors,
  variants: boolean,
): Promise<Entry[]> {
  const plain = { test, variant: undefined, picked: true, run: () => test.op(inputs) };
  if (!variants) return [plain];
  const families = await variantsOf(device, test, inputs);
  if (families.length === 0) return [plain];
  // The first that a family names is the one it picks: that is what runs when nothing is forced.
  const defaults = families.map(([family, [first = '']]) => `${family}=${first}`).join(' ');
  const others = families.flatMap(([family, [, ...names]]) =>
    names.map((name) => ({
      ...{ test, variant: `${family}=${name}`, picked: false },
      run: () => forced(device, family, name, () => test.op(inputs)),
    })),
  );
  return [{ ...plain, variant: defaults }, ...others];
}

/** Families that had a choice in this case, with their variants, best first. */
async function variantsOf(device: Device, test: BenchCase, inputs: Tensors): Promise<[string, string[]][]> {
  const { offered } = device.variants;
  offered.clear();
  device.scope(() => void test.op(inputs));
  await device.idle();
  return [...offered]
    .filter(([, names]) => names.size > 1)
    .map(([family, names]): [string, string[]] => [family, [...names]]);
}

function forced(device: Device, family: string, name: string, run: () => unknown): void {
  device.variants.forced.set(family, name);
  try {
    run();
  } finally {
    device.variants.forced.delete(family);
  }
}

function lineOf({ test, variant, picked }: Entry, measured: Measured, bounds: Bounds): Line {
  const { flops, bytes, name } = test;
  const time = timeOf(measured).median;
  // An empty tensor launches nothing, and takes no time.
  const rate = (amount: number | undefined) => (amount && time ? amount / time / 1e6 : undefined);
  const { share, bound } = (time && shareOf(bounds, test, time)) || {};
  const rates = { flops, bytes, gflops: rate(flops), gbs: rate(bytes), share, bound };
  return { name, variant, picked, ...measured, ...rates };
}

/** Where another variant is faster than the picked one by more than the margin, in the median and at best. */
export function wrongPicks(lines: readonly Line[]): WrongPick[] {
  const time = (line: Line) => timeOf(line).median;
  const factorOf = (picked: Line, other: Line) =>
    Math.min(time(picked) / time(other), timeOf(picked).min / timeOf(other).min);
  return lines
    .filter(({ picked, variant }) => picked && variant !== undefined)
    .flatMap((picked) => {
      const others = lines.filter((line) => line.name === picked.name && !line.picked);
      const [best] = others.sort((a, b) => time(a) - time(b));
      const factor = best ? factorOf(picked, best) : 0;
      if (!best?.variant || !(factor > PICK_MARGIN)) return [];
      return [{ name: picked.name, picked: picked.variant ?? '', better: best.variant, factor }];
    });
}
