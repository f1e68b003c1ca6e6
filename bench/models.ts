// Measures networks: forward, gradient of the input, training step; eager and captured.
import { AdamW } from '../src/nn/optimisers.ts';
import { type Captured, capture } from '../src/tensor/capture.ts';
import type { Device } from '../src/tensor/device.ts';
import type { Profile } from '../src/tensor/profile.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { measureWithBounds } from './bounds.ts';
import type { Job, Measured, MeasureOptions } from './measure.ts';
import { bytesOf, savedBytes } from './memory.ts';
import { named } from './names.ts';
import { dispose, networks, type Prepared, prepare, SIZES, type SizeName } from './networks.ts';
import { type Pass, type PassRun, passesOf, type Step } from './passes.ts';
import { type Bounds, shareOf } from './roof.ts';

/** One pass of one network. */
export interface ModelLine {
  readonly network: string;
  readonly pass: Pass;
  readonly batch: number;
  readonly eager: Measured;
  /** Recorded once and replayed. */
  readonly captured: Measured;
  /** By the captured step. */
  readonly samplesPerSecond: number;
  /** Most bytes alive in an eager pass, with weights, inputs and the optimiser's state. */
  readonly peakBytes: number;
  /** What a training step cannot do without: see `leastBytes`; undefined for the other passes. */
  readonly leastBytes: number | undefined;
  /** Bytes alive when the captured pass has run: weights, inputs, the optimiser's state, and all that the step owns. */
  readonly capturedBytes: number;
  /** Bytes of the intermediates of the captured step, as they share memory and as if they did not. */
  readonly plannedBytes: number;
  readonly unplannedBytes: number;
  readonly parameters: number;
  /** Time that the roof needs for the flops and bytes of each kernel, over the time of all. */
  readonly share: number | undefined;
  readonly bounds: Bounds;
  /** Of one eager pass. */
  readonly profile: Profile;
}

export interface ModelOptions extends MeasureOptions {
  readonly size: SizeName;
  readonly seconds?: number;
}

/** Measures all passes of one network. Throws `UserError` for a name that is none. */
export async function measureModel(
  device: Device,
  name: string,
  options: ModelOptions,
): Promise<ModelLine[]> {
  const build = named(networks, name, 'network');
  const before = device.memory().live;
  const prepared = prepare(device, build, SIZES[options.size]);
  const optimiser = new AdamW(prepared.network.namedParameters(), {});
  const stateBytes = device.memory().live - before;
  const runs = passesOf(prepared.network, optimiser).map((run) => ({ ...run, captured: capture(run.step) }));
  try {
    return await measurePasses(device, { name, stateBytes, ...prepared }, runs, options);
  } finally {
    for (const { captured } of runs) captured.dispose();
    optimiser.dispose();
    dispose(prepared);
    device.pool.clear();
  }
}

async function measurePasses(
  device: Device,
  { name, stateBytes, ...prepared }: Prepared & { readonly name: string; readonly stateBytes: number },
  runs: readonly (PassRun & { captured: Captured<readonly [Tensor, ...Tensor[]], ReturnType<Step>> })[],
  options: ModelOptions,
): Promise<ModelLine[]> {
  const batch = SIZES[options.size].batch;
  const arguments_ = [prepared.labels, ...prepared.inputs] as const;
  const jobs = runs.flatMap(({ step, before, captured }): Job[] =>
    [step, captured].map((call) => ({
      run: () => {
        before();
        return call(...arguments_);
      },
    })),
  );
  const { bounds, measured } = await measureWithBounds(device, jobs, options);
  const lines: ModelLine[] = [];
  for (const [i, { pass, captured, before, step, loss }] of runs.entries()) {
    const [eager, replayed] = [measured[2 * i], measured[2 * i + 1]] as [Measured, Measured];
    const { grownBytes, profile } = await profileOf(device, jobs[2 * i] as Job);
    const { planned, unplanned } = captured.memory;
    before();
    const saved =
      loss &&
      savedBytes(
        device,
        () => loss(...arguments_),
        () => step(...arguments_),
      );
    const gradients = bytesOf(prepared.network.parameters());
    lines.push({
      ...{ network: name, pass, batch, eager, captured: replayed, bounds, profile },
      peakBytes: stateBytes + grownBytes,
      leastBytes: saved === undefined ? undefined : stateBytes + saved + gradients,
      capturedBytes: stateBytes + planned + bytesOf(prepared.inputs),
      ...{ plannedBytes: planned, unplannedBytes: unplanned },
      parameters: prepared.network.parameterCount(),
      samplesPerSecond: (1000 * batch) / replayed.wall.median,
      share: shareOfProfile(profile, bounds),
    });
  }
  return lines;
}

/** The most memory that one call adds to what is alive, and its kernels. */
async function profileOf(
  device: Device,
  job: Job,
): Promise<{ readonly grownBytes: number; readonly profile: Profile }> {
  const { memory } = device.pool;
  const before = memory.live;
  memory.peak = before;
  const profile = await device.profile(() => {
    device.scope(() => void job.run());
  });
  return { grownBytes: memory.peak - before, profile };
}

/** The roof's time for every dispatch, over what they took. */
export function shareOfProfile({ dispatches }: Profile, bounds: Bounds): number | undefined {
  const shares = dispatches.map((dispatch) => {
    const time = dispatch.time || Number.NaN;
    return { time, roof: (shareOf(bounds, dispatch, time)?.share ?? 0) * time };
  });
  const timed = shares.filter(({ time }) => time > 0);
  if (timed.length === 0) return undefined;
  const total = (key: 'time' | 'roof') => timed.reduce((sum, each) => sum + each[key], 0);
  return total('roof') / total('time');
}
