import type { Module } from '../../src/nn/module.ts';
import { numbers } from '../nn/tools.ts';

/** Gives every tensor of one number per channel (biases, norms, running averages) a value as if trained. */
export function settle(module: Module, seed: number): void {
  let stream = seed;
  for (const [name, tensor] of module.namedState()) {
    if (tensor.shape.length !== 1) continue;
    const positive = /gamma|variance/.test(name);
    const data = numbers(tensor.size, stream++).map((value) => (positive ? 1 + value / 2 : value / 4));
    tensor.device.write(tensor, data);
  }
}
