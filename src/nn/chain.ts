import type { Tensor } from '../tensor/tensor.ts';
import { Layer, type Mode } from './module.ts';

/** Layers in order, in lists that may nest: paths are numbered as those of nested `Sequential`s in PyTorch. */
export type Layers = readonly (Layer | Layers)[];

/** Runs layers one after another: the output of each is the input of the next; without layers the input itself. */
export function runLayers(layers: Layers, x: Tensor, mode: Mode): Tensor {
  return layers.reduce<Tensor>(
    (y, layer) => (layer instanceof Layer ? layer.forward(y, mode) : runLayers(layer, y, mode)),
    x,
  );
}
