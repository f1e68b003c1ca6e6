import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytesOf, savedBytes } from '../../bench/memory.ts';
import { grad, valueAndGrad } from '../../src/autograd/grad.ts';
import { add, exp, mul, relu, square } from '../../src/kernels/elementwise.ts';
import { reshape, transpose } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { runStage } from '../../src/models/backbone.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe('scopes inside the function', () => {
  test('do not free what the gradient needs', async () => {
    const x = device.tensor([1, 2]);
    const block = (input: Tensor) => device.scope(() => mul(exp(mul(input, 0)), square(input)));
    const [dx] = grad(() => device.scope(() => sum(block(block(x)))), [x]); // Σ x⁴
    expect([...((await dx?.read()) ?? [])]).toEqual([4, 32]);
  });

  test('free what it does not need', () => {
    const [x, c] = [device.tensor([1, 2]), device.tensor([3, 4])];
    let beside: Tensor | undefined;
    grad(() => {
      device.scope(() => {
        beside = exp(c);
      });
      expect(beside?.disposed).toBe(true);
      return sum(square(x));
    }, [x]);
  });

  test('hold for gradients of gradients', async () => {
    const x = device.tensor([2]);
    const fn = () => device.scope(() => sum(mul(square(x), x)));
    const first = () => device.scope(() => sum(grad(fn, [x])[0] as Tensor));
    expect(await grad(first, [x])[0]?.item()).toBe(12);
  });
});

describe('memory returns to the level before', () => {
  const x = () => device.tensor(new Float32Array(64 * 32).fill(0.5), [64, 32]);
  const w = () => device.tensor(new Float32Array(32 * 32).fill(0.01), [32, 32]);

  /** Live bytes more than before, once the results are disposed of. */
  function leaked(step: () => readonly Tensor[]): number {
    const before = device.memory().live;
    for (const tensor of step()) tensor.dispose();
    return device.memory().live - before;
  }

  test('after grad, valueAndGrad and higher derivatives, in no scope', () => {
    const [a, b] = [x(), w()];
    const loss = () => sum(square(relu(matmul(reshape(matmul(a, b), [64, 32]), b))));
    expect(leaked(() => grad(loss, [a]))).toBe(0);
    expect(leaked(() => grad(loss, [a, b]))).toBe(0);
    expect(
      leaked(() => {
        const { value, grads } = valueAndGrad(() => ({ loss: loss(), aux: exp(a) }), [a, b]);
        return [value.loss, value.aux, ...grads];
      }),
    ).toBe(0);
    expect(leaked(() => grad(() => sum(square(grad(loss, [a])[0] as Tensor)), [a, b]))).toBe(0);
  });

  test('the gradients alone are alive in between', () => {
    const [a, b] = [x(), w()];
    const before = device.memory().live;
    const grads = grad(() => sum(square(matmul(a, b))), [a, b]);
    expect(device.memory().live - before).toBe(64 * 32 * 4 + 32 * 32 * 4);
    for (const tensor of grads) tensor.dispose();
  });

  test('gradients of spent outputs are freed on the way back', () => {
    const a = x();
    device.pool.clear();
    const peakOf = (depth: number) => {
      const start = device.memory().live;
      device.pool.memory.peak = start;
      for (const tensor of grad(() => sum(chain(a, depth)), [a])) tensor.dispose();
      return device.memory().peak - start;
    };
    const bytes = a.bytes;
    // Only activations pile up with depth: one square more is one tensor more, not two.
    expect(peakOf(21) - peakOf(20)).toBe(bytes);
  });

  test('so are outputs that no rule can read any more, while gradients pile up', () => {
    const factors = Array.from({ length: 21 }, x);
    const peakOf = (depth: number) => {
      const used = factors.slice(0, depth);
      const start = device.memory().live;
      device.pool.memory.peak = start;
      const product = () => sum(used.reduce((y, factor) => mul(y, factor)));
      for (const tensor of grad(product, used)) tensor.dispose();
      return device.memory().peak - start;
    };
    // A product more is a gradient more: its output is gone by then.
    expect(peakOf(21) - peakOf(20)).toBe(64 * 32 * 4);
    for (const factor of factors) factor.dispose();
  });

  test('an inner scope frees what it made and no rule reads', () => {
    const a = x();
    let kept = 0;
    const loss = () => {
      const start = device.memory().live;
      const y = device.scope(() => square(transpose(add(a, 1))));
      kept = device.memory().live - start;
      return sum(y);
    };
    for (const tensor of grad(loss, [a])) tensor.dispose();
    // The sum is gone, the transpose, which the square reads, is not.
    expect(kept).toBe(2 * a.bytes);
  });

  test('what the function returns outlives the way back, and so does what it kept', async () => {
    const a = device.tensor([2, 3]);
    let kept: Tensor | undefined;
    const { value } = valueAndGrad(() => {
      const y = square(a);
      kept = device.keep(mul(y, 2));
      return { loss: sum(kept), y };
    }, [a]);
    expect(await value.y.read()).toEqual(Float32Array.of(4, 9));
    expect(await kept?.read()).toEqual(Float32Array.of(8, 18));
    for (const tensor of [a, value.y, value.loss, kept]) tensor?.dispose();
  });

  test('the inputs are never freed', async () => {
    const a = x();
    device.scope(() => void grad(() => sum(add(a, a)), [a]));
    expect(a.disposed).toBe(false);
    expect((await a.read())[0]).toBe(0.5);
  });
});

test('the peak of a training step is at most 1.3 times what it cannot do without', async () => {
  const [batch, width] = [256, 128];
  const init = new Initialiser(device, 1);
  const pair = () => new Sequential(new Linear(init, { in: width, out: width }), new Relu());
  const pairs = Array.from({ length: 6 }, pair);
  const network = new Sequential(...pairs);
  const x = device.tensor(new Float32Array(batch * width).fill(0.1), [batch, width]);
  const optimiser = new AdamW(network.namedParameters());
  const loss = () => sum(square(pairs.reduce((y, layers) => runStage(layers, y, EVALUATION), x)));
  const update = () => optimiser.apply(grad(loss, network.parameters()));
  optimiser.prepare(1e-3);
  const weights = bytesOf(network.parameters());
  const saved = savedBytes(device, loss, update);
  // Of each layer what its activation gives, not what it is given.
  expect(saved).toBe(6 * batch * width * 4);
  const least = bytesOf([x]) + saved + weights + weights + bytesOf([...optimiser.namedState().values()]);
  const before = device.memory().live - (least - saved - weights);
  device.pool.memory.peak = device.memory().live;
  update();
  expect(device.memory().peak - before).toBeLessThan(1.3 * least);
  expect(device.memory().peak - before).toBeGreaterThanOrEqual(least);
  network.dispose();
  optimiser.dispose();
  x.dispose();
});

function chain(input: Tensor, depth: number): Tensor {
  let last = input;
  for (let i = 0; i < depth; i++) last = square(last);
  return last;
}
