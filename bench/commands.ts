// What the subcommands of `npm run bench` do: measure, print to stdout, write files.
import { writeFileSync } from 'node:fs';
import type { AdapterChoice } from '../src/node/gpu.ts';
import { chromeTrace } from '../src/tensor/profile-report.ts';
import { type ATTACK_SIZES, attacks, formatAttacks, measureAttacks } from './attacks.ts';
import { checkCommon, formatAdapters, readResults } from './earlier.ts';
import { type FirstStep, measureFirstStep } from './first-step.ts';
import { type ModelLine, measureModel } from './models.ts';
import { formatFirstSteps, formatKernels, formatModels } from './models-report.ts';
import { chosen } from './names.ts';
import { networks, type SizeName } from './networks.ts';
import { type Bench, openBench } from './open.ts';
import { measureOps, wrongPicks } from './ops.ts';
import { formatBounds, formatLines, formatWrongPicks, type ResultFile, writeResults } from './report.ts';
import { knownRoof } from './roof.ts';
import { formatRoof, measureAndKeepRoof } from './roofline.ts';
import { formatScaling, measureScaling, type ScalingLine } from './scaling.ts';
import { measurable, opCases, select, shapes } from './shapes/index.ts';

export interface CommonFlags {
  readonly adapter: AdapterChoice;
  readonly json?: string;
  /** About how long finding the roof may take. */
  readonly seconds: number;
}

export interface OpsFlags extends CommonFlags {
  readonly rounds: number;
  readonly variants: boolean;
  readonly grad: boolean;
  /** The cases of test/ops instead of the fixed workloads. */
  readonly cases: boolean;
  readonly compare?: string;
}

export async function opsCommand(names: readonly string[], flags: OpsFlags): Promise<void> {
  const cases = select(flags.cases ? opCases : shapes, names);
  const earlier = flags.compare === undefined ? undefined : readResults(flags.compare);
  if (flags.compare !== undefined && earlier) checkCommon(flags.compare, earlier, cases, flags.grad);
  await withBench(flags, async (bench) => {
    const onProgress = (done: number) => note(`${Math.round(100 * done)} %`);
    const measured = measurable(cases, names, bench.device.traits.software);
    const { bounds, lines } = await measureOps(bench.device, measured, { ...flags, onProgress });
    note('');
    print(
      `${bench.adapter}\n${formatLines(lines, earlier)}${formatBounds(bounds, knownRoof(bench.adapter))}`,
    );
    print(formatAdapters(bench.adapter, earlier));
    print(formatWrongPicks(wrongPicks(lines)));
    if (flags.json === undefined) return;
    const { adapter } = bench;
    const results: ResultFile = { adapter, measured: now(), rounds: flags.rounds, bounds, cases: lines };
    writeResults(flags.json, results);
  });
}

export async function rooflineCommand({ json, seconds, ...flags }: CommonFlags): Promise<void> {
  await withBench(flags, async (bench) => {
    const earlier = knownRoof(bench.adapter);
    const measured = await measureAndKeepRoof(bench, seconds);
    print(`${bench.adapter}\n${formatRoof(measured.roof, earlier)}`);
    if (json !== undefined) writeResults(json, measured);
  });
}

export interface ModelsFlags extends CommonFlags {
  readonly rounds: number;
  readonly size: SizeName;
  /** How many kernels of each pass are shown. */
  readonly kernels: number;
  /** Where the Chrome trace of the last pass goes. */
  readonly trace?: string;
  /** Whether first steps are measured too. */
  readonly first: boolean;
}

export async function modelsCommand(names: readonly string[], flags: ModelsFlags): Promise<void> {
  const wanted = chosen(networks, names, 'network');
  const firstSteps: FirstStep[] = [];
  await withBench(flags, async (bench) => {
    const lines: ModelLine[] = [];
    for (const name of wanted) {
      const onProgress = (done: number) => note(`${name} ${Math.round(100 * done)} %`);
      lines.push(...(await measureModel(bench.device, name, { ...flags, onProgress })));
      note(`${name} first step`);
      if (flags.first) firstSteps.push(await measureFirstStep(bench.kind, name, flags.size));
    }
    note('');
    print(`${bench.adapter}\n${formatModels(lines, knownRoof(bench.adapter))}`);
    if (flags.first) print(formatFirstSteps(firstSteps));
    print(formatKernels(lines, flags.kernels));
    const last = lines.at(-1);
    if (flags.trace !== undefined && last) writeFileSync(flags.trace, chromeTrace(last.profile));
    if (flags.json === undefined) return;
    const passes = lines.map(({ profile, ...line }) => ({ ...line, kernels: profile.kernels }));
    writeResults(flags.json, {
      adapter: bench.adapter,
      measured: now(),
      ...{ rounds: flags.rounds, size: flags.size },
      passes,
      firstSteps,
    });
  });
}

export interface AttacksFlags extends Omit<CommonFlags, 'seconds'> {
  readonly rounds: number;
  readonly size: keyof typeof ATTACK_SIZES;
}

export async function attacksCommand(names: readonly string[], flags: AttacksFlags): Promise<void> {
  const wanted = chosen(attacks, names, 'attack');
  await withBench(flags, async ({ device, adapter }) => {
    const onProgress = (done: number) => note(`${Math.round(100 * done)} %`);
    const lines = await measureAttacks(device, wanted, { ...flags, onProgress });
    note('');
    print(`${adapter}\n${formatAttacks(lines)}`);
    if (flags.json !== undefined)
      writeResults(flags.json, {
        adapter,
        measured: now(),
        rounds: flags.rounds,
        size: flags.size,
        attacks: lines,
      });
  });
}

export interface ScalingFlags extends Omit<CommonFlags, 'seconds'> {
  readonly rounds: number;
  readonly size: SizeName;
}

export async function scalingCommand(names: readonly string[], flags: ScalingFlags): Promise<void> {
  const wanted = chosen(networks, names, 'network', ['r3d', 'st-gcn']);
  await withBench(flags, async ({ device, adapter }) => {
    const lines: ScalingLine[] = [];
    for (const name of wanted) {
      const onProgress = (done: number) => note(`${name} ${Math.round(100 * done)} %`);
      const values = { batches: [4, 8, 16, 32, 64], steps: [1, 5, 10, 20] };
      lines.push(...(await measureScaling(device, name, { ...flags, ...values, onProgress })));
    }
    note('');
    print(`${adapter}\n${formatScaling(lines)}`);
    if (flags.json !== undefined)
      writeResults(flags.json, { adapter, measured: now(), rounds: flags.rounds, size: flags.size, lines });
  });
}

/** Opens the adapter, and closes it whatever happens. */
export async function withBench(
  { adapter }: Pick<CommonFlags, 'adapter'>,
  action: (bench: Bench) => Promise<void>,
): Promise<void> {
  const bench = await openBench(adapter);
  try {
    await action(bench);
  } finally {
    bench.device.dispose();
  }
}

export function print(text: string): void {
  process.stdout.write(text);
}

/** A line for people who wait, which the next one overwrites. */
export function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

export function now(): string {
  return new Date().toISOString();
}
