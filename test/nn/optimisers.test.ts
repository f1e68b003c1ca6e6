import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import type { NamedTensors } from '../../src/nn/module.ts';
import { AdamW, clipByGlobalNorm, Sgd } from '../../src/nn/optimisers.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { bits, expectClose, numbers } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const SIZES = { weight: 7, bias: 3 };
const STEPS = 5;
const rate = (step: number) => 0.1 / (step + 1);

function parameters(): NamedTensors {
  return new Map(Object.entries(SIZES).map(([name, size], i) => [name, device.tensor(numbers(size, i))]));
}

function gradients(step: number): Float32Array<ArrayBuffer>[] {
  return Object.values(SIZES).map((size, i) => numbers(size, 100 + 10 * step + i));
}

/** Runs `update` over all scalars: (value, gradient, state of this scalar, step) → value. */
function reference(update: (p: number, g: number, state: { a: number; b: number }, step: number) => number) {
  return Object.values(SIZES).map((size, i) => {
    const states = Array.from({ length: size }, () => ({ a: 0, b: 0 }));
    let values = Float64Array.from(numbers(size, i));
    for (let step = 0; step < STEPS; step++) {
      const g = gradients(step)[i] ?? [];
      values = values.map((p, k) => update(p, g[k] ?? 0, states[k] as (typeof states)[0], step));
    }
    return values;
  });
}

async function expectUpdates(
  made: { optimiser: Sgd | AdamW; named: NamedTensors },
  expected: readonly Float64Array[],
): Promise<void> {
  for (let step = 0; step < STEPS; step++)
    made.optimiser.step(
      gradients(step).map((g) => device.tensor(g)),
      rate(step),
    );
  expect(made.optimiser.steps).toBe(STEPS);
  for (const [i, tensor] of [...made.named.values()].entries())
    await expectClose(tensor, expected[i] ?? [], 2e-6);
}

test.each([{}, { weightDecay: 0.1 }, { momentum: 0.9 }, { momentum: 0.8, weightDecay: 0.1, nesterov: true }])(
  'Sgd %o follows its formula',
  async (options) => {
    const { momentum = 0, weightDecay = 0, nesterov = false } = options as Record<string, never>;
    const named = parameters();
    const expected = reference((p, g, state, step) => {
      const d = g + weightDecay * p;
      state.a = momentum * state.a + d;
      return p - rate(step) * (nesterov ? d + momentum * state.a : state.a);
    });
    await expectUpdates({ optimiser: new Sgd(named, options), named }, expected);
  },
);

test.each([{}, { beta1: 0.7, beta2: 0.9, epsilon: 1e-4, weightDecay: 0.2 }])(
  'AdamW %o follows its formula',
  async (options) => {
    const { beta1, beta2, epsilon, weightDecay } = {
      ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
      ...options,
    };
    const named = parameters();
    const expected = reference((p, g, state, step) => {
      state.a = beta1 * state.a + (1 - beta1) * g;
      state.b = beta2 * state.b + (1 - beta2) * g * g;
      const mean = state.a / (1 - beta1 ** (step + 1));
      const square = state.b / (1 - beta2 ** (step + 1));
      return p * (1 - rate(step) * weightDecay) - (rate(step) * mean) / (Math.sqrt(square) + epsilon);
    });
    await expectUpdates({ optimiser: new AdamW(named, options), named }, expected);
  },
);

test('state is named after the parameters, outlives scopes, and dispose frees it', () => {
  const named = parameters();
  const before = device.memory().live;
  const adam = device.scope(() => {
    const made = new AdamW(named);
    return { made };
  }).made;
  const sgd = new Sgd(named, { momentum: 0.9 });
  expect([...adam.namedState().keys()]).toEqual([
    'weight.first',
    'bias.first',
    'weight.second',
    'bias.second',
  ]);
  expect([...sgd.namedState().keys()]).toEqual(['weight.velocity', 'bias.velocity']);
  expect(new Sgd(named).namedState().size).toBe(0);
  expect([...adam.namedState().values()].some(({ disposed }) => disposed)).toBe(false);
  adam.dispose();
  sgd.dispose();
  expect(device.memory().live).toBe(before);
});

test('a learning rate that is no finite number is refused before anything changes', async () => {
  const named = parameters();
  const before = await bits(named.get('weight') as Tensor);
  const grads = [device.tensor(numbers(7, 1)), device.tensor(numbers(3, 2))];
  for (const optimiser of [new Sgd(named), new AdamW(named)]) {
    for (const rate of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      undefined as unknown as number,
      '1' as unknown as number,
    ])
      expect(() => optimiser.step(grads, rate)).toThrow(/learningRate must be a finite number; got/);
    expect(optimiser.steps).toBe(0);
  }
  expect(await bits(named.get('weight') as Tensor)).toEqual(before);
});

test('too few gradients are refused before anything changes', async () => {
  const named = parameters();
  const before = await bits(named.get('weight') as Tensor);
  for (const optimiser of [new Sgd(named), new AdamW(named)]) {
    const step = () => optimiser.step([device.tensor(numbers(7, 1))], 0.1);
    expect(step).toThrow(ShapeError);
    expect(step).toThrow('needs 2 gradients, one per parameter; got 1');
    expect(optimiser.steps).toBe(0);
  }
  expect(await bits(named.get('weight') as Tensor)).toEqual(before);
});

describe('clipByGlobalNorm', () => {
  test('scales all gradients by one factor down to the joint norm', async () => {
    const clipped = clipByGlobalNorm([device.tensor([3, 0]), device.tensor([[4]].flat(), [1, 1])], 1);
    await expectClose(clipped[0] as Tensor, [0.6, 0], 1e-6);
    await expectClose(clipped[1] as Tensor, [0.8], 1e-6);
    expect(clipped[1]?.shape).toEqual([1, 1]);
  });

  test('needs a gradient', () => {
    expect(() => clipByGlobalNorm([], 1)).toThrow(ShapeError);
    expect(() => clipByGlobalNorm([], 1)).toThrow('clipByGlobalNorm: needs at least one gradient');
  });

  test('leaves smaller ones and zeros as they are, bit for bit', async () => {
    const [small, zero] = [device.tensor(numbers(5, 1)), device.tensor(new Float32Array(5))];
    const clipped = clipByGlobalNorm([small, zero], 100);
    expect(await bits(clipped[0] as Tensor)).toEqual(await bits(small));
    expect(await bits(clipped[1] as Tensor)).toEqual(await bits(zero));
    expect(await bits(clipByGlobalNorm([zero], 1)[0] as Tensor)).toEqual(await bits(zero));
  });
});
