// The roof of an adapter, and where it is kept between commands.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** What an adapter can do at most, and what single things cost. */
export interface Roof {
  /** Fused multiply-adds in registers, each two operations, in GFLOP/s. */
  readonly multiplyAdd: number;
  /** Storage buffer to storage buffer, bytes read and written, in GB/s. */
  readonly copy: number;
  readonly copyScalar: number;
  /** Read by all workgroups together, in GB/s. */
  readonly workgroupMemory: number;
  /** One barrier of one workgroup of 64, in µs. */
  readonly barrier: number;
  /** Setting 16 KiB of workgroup memory to zero, in µs a workgroup. */
  readonly zeroing: number;
  /** CPU time of launching an op, in µs; with 64 launches a submit. */
  readonly dispatch: number;
  /** The same in the replay of a captured step. */
  readonly replayed: number;
  /** From launching small ops behind one another until they are done, in µs for each. */
  readonly smallOp: number;
  /** Building a small pipeline that no cache has, until its first launch is done, in ms. */
  readonly pipeline: number;
  /** Host to device and back, in GB/s. */
  readonly upload: number;
  readonly readback: number;
}

/** The two rates that bound a kernel. */
export type Bounds = Pick<Roof, 'multiplyAdd' | 'copy'>;

/** A roof as it was measured. */
export interface MeasuredRoof {
  readonly adapter: string;
  readonly measured: string;
  readonly roof: Roof;
}

/**
 * Share of the roof that `time` ms for so many flops and bytes come to: of the multiply-add rate or the copy bandwidth,
 * whichever needs more time; undefined where neither is known.
 */
export function shareOf(
  roof: Bounds,
  work: { readonly flops?: number | undefined; readonly bytes?: number | undefined },
  time: number,
): { readonly share: number; readonly bound: 'compute' | 'memory' } | undefined {
  const compute = (work.flops ?? 0) / roof.multiplyAdd / 1e6;
  const memory = (work.bytes ?? 0) / roof.copy / 1e6;
  if (compute === 0 && memory === 0) return undefined;
  return { share: Math.max(compute, memory) / time, bound: compute >= memory ? 'compute' : 'memory' };
}

/** The best that was ever measured on this adapter, from this user's cache. */
export function knownRoof(adapter: string): MeasuredRoof | undefined {
  try {
    const found = JSON.parse(readFileSync(fileFor(adapter), 'utf8')) as MeasuredRoof;
    return found.adapter === adapter ? found : undefined;
  } catch {
    return undefined; // not measured yet, or written by another version
  }
}

/** Keeps a roof, each figure the better of it and what is known. */
export function keepRoof(measured: MeasuredRoof): void {
  const file = fileFor(measured.adapter);
  const known = knownRoof(measured.adapter);
  const roof = known ? bestOf(known.roof, measured.roof) : measured.roof;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...measured, roof }, undefined, 2)}\n`);
}

const COSTS: ReadonlySet<string> = new Set<keyof Roof>([
  'barrier',
  'zeroing',
  'dispatch',
  'replayed',
  'smallOp',
  'pipeline',
]);

function bestOf(a: Roof, b: Roof): Roof {
  const better = ([key, value]: [string, number]) => {
    const other = b[key as keyof Roof] ?? value;
    return [key, COSTS.has(key) ? Math.min(value, other) : Math.max(value, other)];
  };
  return Object.fromEntries(Object.entries(a).map(better)) as unknown as Roof;
}

function fileFor(adapter: string): string {
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const name = adapter.toLowerCase().replace(/[^a-z0-9.]+/g, '-');
  return join(root, 'kernelwright', `roof-${name}.json`);
}
