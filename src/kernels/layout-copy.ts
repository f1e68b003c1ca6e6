import { check } from '../errors.ts';
import { stridesOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { run } from './run.ts';
import { layoutWgsl } from './wgsl.gen.ts';

const MOST_AXES = 6;

/** How a dense output walks over the memory of its input: axes outermost first, strides in elements. */
export interface Walk {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly start: number;
}

type CopyVariant = 'vectors' | 'tiles' | 'elements';

/** `out[index] = x[start + Σ indexₖ·strideₖ]` for every index of `walk.dims`, by the best kernel for these strides. */
export function copyStrided(x: Tensor, out: Tensor, walk: Walk, op: string): void {
  if (out.size === 0) return;
  const merged = mergeAxes(walk);
  check(merged.dims.length <= MOST_AXES, op, () => `at most ${MOST_AXES} axes that do not merge; got ${x}`);
  const variant = x.device.variants.choose('layout', copyVariants(merged));
  LAUNCH[variant](x, out, merged);
}

const LAUNCH: Record<CopyVariant, (x: Tensor, out: Tensor, walk: Walk) => void> = {
  vectors: copyVectors,
  tiles: copyTiles,
  elements: copyElements,
};

/** The same walk with as few axes as possible (at least one). */
export function mergeAxes({ dims, strides, start }: Walk): Walk {
  const merged: [number, number][] = [];
  for (const [axis, dim] of dims.entries()) {
    const stride = strides[axis] ?? 0;
    if (dim === 1) continue;
    const last = merged.at(-1);
    if (last && last[1] === stride * dim) merged.splice(-1, 1, [last[0] * dim, stride]);
    else merged.push([dim, stride]);
  }
  if (merged.length === 0) merged.push([1, 1]);
  return { dims: merged.map(([dim]) => dim), strides: merged.map(([, stride]) => stride), start };
}

/** Kernels that can do a merged walk, best first. */
export function copyVariants(walk: Walk): [CopyVariant, ...CopyVariant[]] {
  if (isVectors(walk)) return ['vectors', 'elements'];
  return contiguousAxis(walk) < 0 ? ['elements'] : ['tiles', 'elements'];
}

function isVectors({ dims, strides, start }: Walk): boolean {
  const whole = dims.length === 1 || (dims.at(-1) ?? 1) % 4 === 0;
  return whole && strides.at(-1) === 1 && [...strides.slice(0, -1), start].every(divisibleBy4);
}

/** The axis along which 4×4 blocks can be read, or −1. */
function contiguousAxis({ dims, strides, start }: Walk): number {
  const axis = strides.indexOf(1);
  const inner = dims.length - 1;
  const others = strides.filter((_, i) => i !== axis);
  const blocks = [dims[axis] ?? 1, dims[inner] ?? 1, start, ...others].every(divisibleBy4);
  return axis < inner && blocks ? axis : -1;
}

function divisibleBy4(value: number): boolean {
  return value % 4 === 0;
}

function copyVectors(x: Tensor, out: Tensor, { dims, strides, start }: Walk): void {
  const inner = Math.ceil((dims.at(-1) ?? 1) / 4);
  const vectors = [...strides.slice(0, -1).map((stride) => stride / 4), 1];
  const params = walkParams({ dims: [...dims.slice(0, -1), inner], strides: vectors, start: start / 4 });
  const count = Math.ceil(out.size / 4);
  run(layoutWgsl, 'vectors', { x, out }, { ...params, count }, { groups: groupsOf(count) });
}

function copyElements(xScalar: Tensor, out: Tensor, walk: Walk): void {
  const count = Math.ceil(out.size / 4);
  const params = { ...walkParams(walk), count };
  run(layoutWgsl, 'elements', { xScalar, out }, params, { groups: groupsOf(count) });
}

function copyTiles(x: Tensor, out: Tensor, walk: Walk): void {
  const axis = contiguousAxis(walk);
  const inner = walk.dims.length - 1;
  const isBlock = (k: number) => k === axis || k === inner;
  const outStrides = stridesOf(walk.dims);
  // Four elements of a blocked axis are one step; a vec4 is four elements: the two cancel in its stride.
  const steps = (strides: readonly number[]) => strides.map((s, k) => (isBlock(k) ? s : s / 4));
  const dims = walk.dims.map((dim, k) => (isBlock(k) ? dim / 4 : dim));
  const { inner: _, ...params } = walkParams({
    dims,
    strides: steps(walk.strides),
    start: walk.start / 4,
  });
  const to = steps(outStrides).reverse();
  const count = out.size / 16;
  const tile = {
    ...params,
    count,
    xRow: (walk.strides[inner] ?? 0) / 4,
    outRow: (outStrides[axis] ?? 0) / 4,
    outOuter: to.at(-1) ?? 0,
    ...{ d0: to[0] ?? 0, d1: to[1] ?? 0, d2: to[2] ?? 0, d3: to[3] ?? 0, d4: to[4] ?? 0 },
  };
  run(layoutWgsl, 'tiles', { x, out }, tile, { groups: groupsOf(count) });
}

/** Params of a walk: the shader counts axes from the innermost. */
function walkParams({ dims, strides, start }: Walk) {
  const [n, s] = [[...dims].reverse(), [...strides].reverse()];
  return {
    rank: n.length,
    start,
    inner: s[0] ?? 0,
    outer: s.at(-1) ?? 0,
    ...{ n0: n[0] ?? 1, n1: n[1] ?? 1, n2: n[2] ?? 1, n3: n[3] ?? 1, n4: n[4] ?? 1 },
    ...{ s0: s[0] ?? 0, s1: s[1] ?? 0, s2: s[2] ?? 0, s3: s[3] ?? 0, s4: s[4] ?? 0 },
  };
}
