import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A tensor of a PyTorch state_dict and ours that hold the same numbers. */
export interface TorchTensor {
  /** Path from the module whose state it is, such as `weight`. */
  readonly name: string;
  /** Its shape in PyTorch. */
  readonly shape: Shape;
  /** The shape that `order` refers to: `shape`, unless axes are split or joined. */
  readonly view: Shape;
  /** Axes of `view` in our order: what PyTorch holds, transposed so, is `parts` one after another. */
  readonly order: readonly number[];
  readonly parts: readonly Tensor[];
}

/** An integer that PyTorch saves as a tensor and that nothing here computes with; undefined where a file had none. */
export interface TorchCounter {
  readonly name: string;
  readonly counter: { value: bigint | undefined };
}

export type TorchEntry = TorchTensor | TorchCounter;

/**
 * One of our tensors under its PyTorch name; axis i of ours is axis `order[i]` of PyTorch's (the same axes when left out).
 */
export function torchTensor(
  name: string,
  tensor: Tensor,
  order: readonly number[] = tensor.shape.map((_, i) => i),
): TorchTensor {
  const shape = [...tensor.shape];
  for (const [i, axis] of order.entries()) shape[axis] = tensor.shape[i] ?? 0;
  return { name, shape, view: shape, order, parts: [tensor] };
}

/** The entries of a child, under its path. */
export function underPath(path: string, entries: readonly TorchEntry[]): TorchEntry[] {
  return entries.map((entry) => ({ ...entry, name: `${path}.${entry.name}` }));
}

/** The elements of an array of this shape with its axes in another order, bit for bit. */
export function permute(data: Uint32Array, shape: Shape, order: readonly number[]): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(data.length);
  const sizes = order.map((axis) => shape[axis] ?? 1);
  const strides = order.map((axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const at = new Array<number>(order.length).fill(0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from] ?? 0;
    for (let axis = order.length - 1; axis >= 0; axis--) {
      from += strides[axis] ?? 0;
      at[axis] = (at[axis] ?? 0) + 1;
      if ((at[axis] ?? 0) < (sizes[axis] ?? 0)) break;
      from -= (strides[axis] ?? 0) * (sizes[axis] ?? 0);
      at[axis] = 0;
    }
  }
  return out;
}

/** The permutation that undoes `order`. */
export function inverse(order: readonly number[]): number[] {
  return order.map((_, axis) => order.indexOf(axis));
}
