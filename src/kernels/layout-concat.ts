import { check, need } from '../errors.ts';
import {
  type AxisOption,
  axisOf,
  checkShape,
  formatShape,
  type Shape,
  type Spec,
  sizeOf,
  stridesOf,
} from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { zerosLike } from './fill.ts';
import { reshape } from './layout-axes.ts';
import { copyStrided } from './layout-copy.ts';
import { slice } from './layout-slice.ts';
import { checkTensor, defineOp, readsNothing } from './op.ts';
import { run } from './run.ts';
import { layoutWgsl } from './wgsl.gen.ts';

const concatOp = defineOp<Readonly<Record<string, Tensor>>, { axis: number }, [Spec]>({
  name: 'concat',
  outputs(inputs, { axis }) {
    const [first, ...others] = Object.values(inputs) as [Tensor, ...Tensor[]];
    for (const x of others) {
      const fits = x.dtype === first.dtype && sameExcept(axis, x.shape, first.shape);
      check(fits, 'concat', () => `${x} does not fit ${first}: only axis ${axis} may differ`);
    }
    const along = [first, ...others].reduce((sum, x) => sum + (x.shape[axis] ?? 0), 0);
    return [{ shape: first.shape.map((dim, k) => (k === axis ? along : dim)), dtype: first.dtype }];
  },
  forward(inputs, [out], { axis }) {
    let start = 0;
    for (const x of Object.values(inputs)) {
      const width = sizeOf(x.shape.slice(axis));
      insert(x, out, { start, width, pitch: sizeOf(out.shape.slice(axis)) });
      start += width;
    }
  },
  reads: readsNothing,
  gradient({ inputs, attrs: { axis }, grads: [g] }) {
    let next = 0;
    const rules = Object.entries(inputs).map(([name, { shape }]) => {
      const from = next;
      next += shape[axis] ?? 0;
      return [name, () => sliceOf(g as Tensor, shape, axis, from)] as const;
    });
    return Object.fromEntries(rules);
  },
});

/**
 * Joins tensors along `axis` (default 0): the shapes may differ only there, and those dimensions add up. Any one dtype.
 * Throws `ShapeError` for no tensors, and for shapes or dtypes that differ.
 */
export function concat(tensors: readonly Tensor[], options: AxisOption = {}): Tensor {
  const first = firstOf(tensors, 'concat');
  const inputs = Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor]));
  return concatOp(inputs, { axis: axisOf('concat', options, 0, first.shape.length) })[0];
}

/**
 * Joins tensors of one shape along a new axis (default 0): n of [A, B] → [n, A, B]. Any one dtype.
 * Throws `ShapeError` for no tensors, and for shapes or dtypes that differ.
 */
export function stack(tensors: readonly Tensor[], options: AxisOption = {}): Tensor {
  const first = firstOf(tensors, 'stack');
  const at = axisOf('stack', options, 0, first.shape.length + 1);
  const rows = tensors.map((x) => {
    const fits = formatShape(x.shape) === formatShape(first.shape);
    check(fits, 'stack', () => `shapes must be equal; got ${x} and ${first}`);
    return reshape(x, x.shape.toSpliced(at, 0, 1));
  });
  return concat(rows, { axis: at });
}

/** The first of tensors that all are what they should be. */
function firstOf(tensors: readonly Tensor[], op: string): Tensor {
  need(Array.isArray(tensors), op, 'a list of tensors', tensors);
  check(tensors.length > 0, op, () => 'needs at least one tensor');
  for (const [i, x] of tensors.entries()) checkTensor(op, x, `element ${i}`);
  return tensors[0] as Tensor;
}

interface Cut {
  readonly sizes: readonly number[];
  readonly axis: number;
}

const splitOp = defineOp<{ x: Tensor }, Cut, readonly Spec[]>({
  name: 'split',
  outputs: ({ x }, { sizes, axis }) =>
    sizes.map((size) => ({ shape: x.shape.with(axis, size), dtype: x.dtype })),
  forward({ x }, parts, { axis }) {
    const strides = stridesOf(x.shape);
    let start = 0;
    for (const part of parts) {
      copyStrided(x, part, { dims: part.shape, strides, start }, 'split');
      start += sizeOf(part.shape.slice(axis));
    }
  },
  reads: readsNothing,
  gradient: ({ outputs, attrs: { axis }, grads }) => ({
    x: () =>
      concat(
        outputs.map((part, i) => grads[i] ?? zerosLike(part)),
        { axis },
      ),
  }),
});

/**
 * Cuts `x` along `axis` (default 0; negative ones count from the back) into parts of these sizes, which add up to that dimension
 * and may be 0: the inverse of `concat`. Its gradient is written once, where those of slices are added up. Any dtype.
 * Throws `ShapeError` for no tensor, no such axis, and other sizes.
 */
export function split(x: Tensor, sizes: readonly number[], options: AxisOption = {}): readonly Tensor[] {
  checkTensor('split', x);
  need(Array.isArray(sizes) && sizes.length > 0, 'split', 'a list of sizes', sizes);
  const axis = axisOf('split', options, 0, x.shape.length);
  checkShape(sizes, 'split');
  const total = sizes.reduce((sum, size) => sum + size, 0);
  check(total === x.shape[axis], 'split', () => `sizes [${sizes}] must add up to axis ${axis} of ${x}`);
  return splitOp({ x }, { sizes, axis });
}

function sameExcept(axis: number, a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, k) => k === axis || dim === b[k]);
}

function sliceOf(x: Tensor, size: Shape, axis: number, from: number): Tensor {
  return slice(x, { begin: size.map((_, k) => (k === axis ? from : 0)), size });
}

interface Block {
  readonly start: number;
  readonly width: number;
  readonly pitch: number;
}

/** Copies `x`, seen as rows of `width`, into the columns of `out` (rows of `pitch`) from `start` on. */
function insert(x: Tensor, out: Tensor, { start, width, pitch }: Block): void {
  const whole = [start, width, pitch].every((n) => n % 4 === 0);
  const variant = x.device.variants.choose('concat', whole ? ['vectors', 'elements'] : ['elements']);
  if (variant === 'vectors') {
    const count = x.size / 4;
    const params = { count, start: start / 4, width: width / 4, pitch: pitch / 4 };
    run(layoutWgsl, 'insertVectors', { x, out }, params, { groups: groupsOf(count) });
  } else {
    const tensors = { xScalar: x, outScalar: out };
    const groups = groupsOf(x.size);
    run(layoutWgsl, 'insertElements', tensors, { count: x.size, start, width, pitch }, { groups });
  }
}
