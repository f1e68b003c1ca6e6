// Measures what an adapter can do at most.
import { add } from '../src/kernels/elementwise.ts';
import { capture } from '../src/tensor/capture.ts';
import type { Device } from '../src/tensor/device.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import type { Bench } from './open.ts';
import { newTable, number } from './report.ts';
import { keepRoof, type MeasuredRoof, type Roof } from './roof.ts';
import { RoofKernels } from './roof-kernels.ts';

const ROUNDS = 3;
export const LAUNCHES = 640;

/** `seconds`: about how long it may take on a GPU; a software adapter takes twice as long. Below 1 only for tests. */
export async function measureRoof(device: Device, seconds = 6): Promise<Roof> {
  const kernels = new RoofKernels(device, seconds);
  try {
    return {
      multiplyAdd: (await kernels.rate(await kernels.multiplyAdd())) / 1e6,
      copy: (await kernels.rate(await kernels.copy('copy', 4))) / 1e6,
      copyScalar: (await kernels.rate(await kernels.copy('copyScalar', 1))) / 1e6,
      workgroupMemory: (await kernels.rate(await kernels.workgroupMemory())) / 1e6,
      barrier: 1000 / (await kernels.rate(await kernels.barrier())),
      zeroing: 1000 / (await kernels.rate(kernels.zeroing())),
      ...(await launches(device)),
      pipeline: await pipeline(kernels),
      ...(await transfers(device, kernels, seconds < 1 ? 2 ** 20 : 2 ** 24)),
    };
  } finally {
    kernels.dispose();
    device.pool.clear();
  }
}

/** `LAUNCHES` ops on a tensor so small that only launching it costs, each reading the one before: a replay leaves out what nothing reads. */
export function smallOps(x: Tensor): Tensor {
  let y = x;
  for (let i = 0; i < LAUNCHES; i++) y = add(y, 1);
  return y;
}

async function launches(device: Device): Promise<Pick<Roof, 'dispatch' | 'replayed' | 'smallOp'>> {
  const x = device.tensor([1]);
  const replay = capture(smallOps);
  const eagerly = await launchTime(device, () => device.scope(() => void smallOps(x)));
  const replayed = await launchTime(device, () => replay(x));
  replay.dispose();
  x.dispose();
  return { dispatch: eagerly.launch, replayed: replayed.launch, smallOp: eagerly.done };
}

/** µs until one of the launches is made, and until it is done; the least of some rounds. */
async function launchTime(
  device: Device,
  run: () => void,
): Promise<{ readonly launch: number; readonly done: number }> {
  const [launch, done]: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    await device.idle();
    const began = performance.now();
    run();
    launch.push((1000 * (performance.now() - began)) / LAUNCHES);
    await device.idle();
    done.push((1000 * (performance.now() - began)) / LAUNCHES);
  }
  return { launch: Math.min(...launch), done: Math.min(...done) };
}

async function pipeline(kernels: RoofKernels): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const constants = { SALT: Math.random() };
    times.push(await kernels.once(() => kernels.launch('fma8', { groups: 1, steps: 1, constants })));
  }
  return Math.min(...times);
}

async function transfers(
  device: Device,
  kernels: RoofKernels,
  bytes: number,
): Promise<Pick<Roof, 'upload' | 'readback'>> {
  const data = new Float32Array(bytes / 4);
  const x: Tensor = device.tensor(data);
  const [up, down]: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    up.push(await kernels.once(() => device.write(x, data)));
    const written = performance.now();
    await x.read();
    down.push(performance.now() - written);
  }
  x.dispose();
  const rate = (times: readonly number[]) => bytes / Math.min(...times) / 1e6;
  return { upload: rate(up), readback: rate(down) };
}

/** Measures the roof, and keeps it unless it was a hurried one. */
export async function measureAndKeepRoof({ device, adapter }: Bench, seconds: number): Promise<MeasuredRoof> {
  const roof = await measureRoof(device, seconds);
  const measured = { adapter, measured: new Date().toISOString(), roof };
  if (seconds >= 1) keepRoof(measured);
  return measured;
}

const LINES: readonly (readonly [string, keyof Roof, string])[] = [
  ['fused multiply-add in registers', 'multiplyAdd', 'GFLOP/s'],
  ['copy of storage, vec4', 'copy', 'GB/s'],
  ['copy of storage, scalar', 'copyScalar', 'GB/s'],
  ['workgroup memory, read', 'workgroupMemory', 'GB/s'],
  ['barrier, 64 threads', 'barrier', 'µs'],
  ['zeroing 16 KiB of workgroup memory', 'zeroing', 'µs a workgroup'],
  ['launching an op (CPU)', 'dispatch', 'µs'],
  ['launching it again, captured (CPU)', 'replayed', 'µs'],
  ['a small op, launched and done', 'smallOp', 'µs'],
  ['building a pipeline', 'pipeline', 'ms'],
  ['upload', 'upload', 'GB/s'],
  ['readback', 'readback', 'GB/s'],
];

/** The roof as a table of text, beside an earlier one. */
export function formatRoof(roof: Roof, earlier?: MeasuredRoof): string {
  const table = newTable(['resource', 'measured', 'earlier', ''], 1);
  for (const [what, key, unit] of LINES) {
    const before = number(earlier?.roof[key]);
    table.push([what, number(roof[key]), before, { content: unit, hAlign: 'left' }]);
  }
  return `${table.toString()}\n`;
}
