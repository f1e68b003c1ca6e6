import { slice } from '../kernels/layout.ts';
import { Tensor } from '../tensor/tensor.ts';

/** Calls `fn` on every tensor in arrays and plain objects, and gives back the same structure with the results. */
export function mapTensors<T>(tree: T, fn: (tensor: Tensor) => Tensor): T {
  if (tree instanceof Tensor) return fn(tree) as T;
  if (Array.isArray(tree)) return tree.map((item) => mapTensors(item, fn)) as T;
  if (typeof tree !== 'object' || tree === null) return tree;
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, mapTensors(value, fn)])) as T;
}

/** The tensors of a tree, in the order in which `mapTensors` meets them. */
export function listTensors(tree: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapTensors(tree, (tensor) => {
    found.push(tensor);
    return tensor;
  });
  return found;
}

/** A copy with memory of its own. */
export function copy(x: Tensor): Tensor {
  return slice(x, { size: x.shape });
}

/** The same tree, with copies of tensors whose memory was seen before: in `taken`, or earlier in the tree. */
export function distinct<T>(tree: T, taken: readonly Tensor[] = []): T {
  const memory = (tensor: Tensor) => tensor.storage('attack').buffer;
  const seen = new Set(taken.map(memory));
  return mapTensors(tree, (tensor) => {
    const own = seen.has(memory(tensor)) ? copy(tensor) : tensor;
    seen.add(memory(own));
    return own;
  });
}
