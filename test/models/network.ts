import { expect } from 'vitest';
import { checkGradients } from '../../src/autograd/check.ts';
import { grad, valueAndGrad } from '../../src/autograd/grad.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import type { Network } from '../../src/models/backbone.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION, type Module } from '../../src/nn/module.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { capture } from '../../src/tensor/capture.ts';
import { type Device, openDevice } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers, values } from '../nn/tools.ts';

/** Parameters of a network at full width and the names of its state, on a device that computes nothing. */
export async function atFullWidth(
  make: (init: Initialiser) => Module,
): Promise<{ count: number; names: string[] }> {
  const gpu = await nullGpu();
  const device = await openDevice({ gpu });
  const network = make(new Initialiser(device, 1));
  const found = { count: network.parameterCount(), names: [...network.namedState().keys()] };
  network.dispose();
  await device.dispose();
  return found;
}

/** Numbers in [0, 1) as a tensor. */
export function input(device: Device, shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return device.tensor(
    numbers(size, seed).map((value) => (value + 1) / 2),
    shape,
  );
}

/** The shape after each stage, which must have the channels that the network declares and be what `features` gives. */
export function stageShapes(network: Network, x: Tensor): (readonly number[])[] {
  let y = x;
  const shapes = network.stages.map((stage) => {
    y = stage.forward(y, EVALUATION);
    return y.shape;
  });
  expect(shapes.map((shape) => shape.at(-1))).toEqual(network.channels);
  for (const tap of network.taps) expect(network.features(x, EVALUATION, tap).shape).toEqual(shapes[tap]);
  return shapes;
}

/** A network learns the labels of a batch by heart, in a captured step: the loss falls below half of what it was. */
export async function learns(
  network: Network,
  x: Tensor,
  { steps = 10, learningRate = 0.03 } = {},
): Promise<void> {
  const labels = x.device.tensor(Int32Array.from({ length: x.shape[0] ?? 0 }, (_, i) => i % 2));
  const mode = { training: true, seed: 1 };
  const optimiser = new AdamW(network.namedParameters(), { weightDecay: 0 });
  const step = capture((input: Tensor) => {
    const loss = () => crossEntropy(network.forward(input, mode), labels);
    const { value, grads } = valueAndGrad(loss, network.parameters());
    optimiser.apply(grads);
    return value;
  });
  const losses: number[] = [];
  for (let i = 0; i <= steps; i++) {
    optimiser.prepare(learningRate);
    const loss = step(x);
    if (i === 0 || i === steps) losses.push(await loss.item());
  }
  expect(losses[1]).toBeLessThan((losses[0] ?? 0) / 2);
  step.dispose();
  optimiser.dispose();
}

/** The gradient of the loss by the input is the difference quotient, in evaluation mode. */
export async function inputGradientHolds(
  network: Network,
  x: Tensor,
  { step = 2e-3, probes = 8, tolerance = 3e-2 } = {},
): Promise<void> {
  const labels = x.device.tensor(Int32Array.from({ length: x.shape[0] ?? 0 }, (_, i) => i % 2));
  const loss = () => crossEntropy(network.forward(x, EVALUATION), labels);
  const worst = await checkGradients(loss, [x], { step, tolerance, probes });
  expect(worst).toBeLessThan(tolerance);
  const [slope] = grad(loss, [x]);
  expect(Math.max(...(await values(slope as Tensor)).map(Math.abs))).toBeGreaterThan(1e-6);
}

/** Fresh networks of one seed are equal, of two seeds not, and evaluation draws nothing. */
export async function isReproducible(make: (seed: number) => Network, x: Tensor): Promise<void> {
  const logits = (seed: number, draw: number) => bits(make(seed).forward(x, { training: false, seed: draw }));
  expect(await logits(1, 1)).toEqual(await logits(1, 2));
  expect(await logits(1, 1)).not.toEqual(await logits(2, 1));
}
