import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad, valueAndGrad } from '../../src/autograd/grad.ts';
import {
  abs,
  add,
  clamp,
  exp,
  gelu,
  leakyRelu,
  log,
  mul,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
} from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { batchNorm, batchNormInference } from '../../src/kernels/norm.ts';
import { dropout } from '../../src/kernels/random.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { emaUpdate } from '../../src/kernels/update.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { read, using } from './captured.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const SPECIAL = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-38, 3e38];
const mixed = (seed: number) =>
  device.tensor(Float32Array.from({ length: 301 }, (_, i) => SPECIAL[i - seed] ?? 3 * Math.sin(i * seed)));

type Unary = (x: Tensor) => Tensor;
const UNARY: Readonly<Record<string, Unary>> = {
  ...{ abs, exp, gelu, log, relu, rsqrt, sigmoid, sign, silu, softplus, sqrt, square, tanh },
  clamp: (x) => clamp(x, -0.5, 1),
  geluTanh: (x) => gelu(x, { approximate: 'tanh' }),
  leakyRelu: (x) => leakyRelu(x, 0.1),
};
const ADDLESS = ['abs', 'clamp', 'leakyRelu', 'relu', 'sign'];
const BINARY = { add, sub, mul };

describe('in a captured step a + b, a − b or a · b is computed by the unary op that is its only use', () => {
  test.each(Object.entries(UNARY))('%s, with the bits of two kernels', async (name, unary) => {
    for (const [first, binary] of Object.entries(BINARY)) {
      const step = capture((a: Tensor, b: Tensor) => unary(binary(a, b)));
      await using(step as never, async () => {
        const [a, b] = [mixed(3), mixed(11)];
        const expected = await read(unary(binary(a, b)));
        for (let call = 0; call < 3; call++) expect(await read(step(a, b))).toEqual(expected);
        // A product that a sum follows could become one multiply-add.
        expect(step.dispatches).toBe(first === 'mul' && !ADDLESS.includes(name) ? 2 : 1);
      });
    }
  });

  const OPERANDS: Readonly<Record<string, Unary>> = {
    'a number on the left': (x) => relu(sub(0.5, x)),
    'a number on the right': (x) => relu(sub(x, 0.5)),
    'one element on the left': (x) => relu(sub(device.tensor([0.25]), x)),
    'one element on the right': (x) => relu(mul(x, device.tensor([0.25]))),
    'the same tensor twice': (x) => relu(add(x, x)),
  };
  test.each(Object.entries(OPERANDS))('with %s', async (_, run) => {
    const step = capture(run);
    await using(step as never, async () => {
      const x = mixed(5);
      const expected = await read(run(x));
      for (let call = 0; call < 2; call++) expect(await read(step(x))).toEqual(expected);
      expect(step.dispatches).toBe(1);
    });
  });

  test('and by the gradient of one: that of relu adds up what its two uses give', async () => {
    const gradient = (x: Tensor): Tensor[] => {
      const { value, grads } = valueAndGrad(() => {
        const y = relu(x);
        return sum(add(square(y), exp(y)));
      }, [x]);
      return [value, ...grads];
    };
    const step = capture(gradient);
    await using(step as never, async () => {
      const x = device.tensor(Float32Array.from({ length: 301 }, (_, i) => Math.sin(i)));
      const expected = await Promise.all(gradient(x).map(read));
      const eager = device.queue.dispatches;
      step(x);
      expect(device.queue.dispatches - eager).toBe(step.dispatches + 1);
      expect(await Promise.all(step(x).map(read))).toEqual(expected);
    });
  });
});

describe('in a captured step relu is computed by the batch norm before it', () => {
  /** x [N, C] with zeros, NaN and infinities (those make a channel NaN), and what belongs to a channel. */
  function inputs(channels: number): Tensor[] {
    const x = Float32Array.from({ length: 24 * channels }, (_, i) => SPECIAL[i] ?? 3 * Math.sin(7 * i));
    const perChannel = (from: number) =>
      Float32Array.from({ length: channels }, (_, i) => from + (i % 3) / 4);
    return [
      device.tensor(x, [24, channels]),
      ...[0.5, -0.25, 0.5, 1].map((from) => device.tensor(perChannel(from))),
    ];
  }
  type Five = [Tensor, Tensor, Tensor, Tensor, Tensor];
  const inference = (...[x, gamma, beta, mean, variance]: Five) =>
    batchNormInference(x, mean, variance, gamma, beta);

  /** Launches of the replay; its results are those of the eager step, bit by bit. */
  async function launches(run: (...given: Five) => readonly Tensor[], given: readonly Tensor[]) {
    const step = capture(run);
    return await using(step as never, async () => {
      const five = given as unknown as Five;
      const expected = await Promise.all(run(...five).map(read));
      for (let call = 0; call < 3; call++)
        expect(await Promise.all(step(...five).map(read))).toEqual(expected);
      return step.dispatches;
    });
  }

  test('forward', async () => {
    const given = inputs(8);
    expect(await launches((...five) => [relu(inference(...five))], given)).toBe(1);
    // Moments in two launches, then both in one.
    expect(await launches((x, gamma, beta) => [relu(batchNorm(x, gamma, beta).y)], given)).toBe(3);
  });

  test('backward, with given statistics', async () => {
    const given = inputs(8);
    const weights = device.tensor(
      Float32Array.from({ length: 24 * 8 }, (_, i) => Math.cos(i)),
      [24, 8],
    );
    const gradient = (...five: Five) => grad(() => sum(mul(relu(inference(...five)), weights)), [five[0]]);
    // The norm with its relu, the weights times the one of the sum, and their way back through both.
    expect(await launches(gradient, given)).toBe(3);
  });

  test('not where what the norm gives has another use, for another function, or for channels that are no whole vectors', async () => {
    const given = inputs(8);
    const both = (...five: Five) => {
      const y = inference(...five);
      return [y, relu(y)];
    };
    expect(await launches(both, given)).toBe(2);
    expect(await launches((...five) => [abs(inference(...five))], given)).toBe(2);
    expect(await launches((...five) => [relu(inference(...five))], inputs(7))).toBe(2);
  });

  test('not where a statistic is updated in between', async () => {
    const [x, gamma, beta, mean, variance] = inputs(8) as Five;
    const normed = (input: Tensor) => batchNormInference(input, mean, variance, gamma, beta);
    const step = capture((input: Tensor) => {
      const y = normed(input);
      emaUpdate(mean, variance, { momentum: 0.5 });
      return relu(y);
    });
    await using(step as never, async () => {
      for (let call = 0; call < 3; call++) {
        const expected = await read(relu(normed(x)));
        expect(await read(step(x))).toEqual(expected);
      }
    });
  });

  test('not in f16, which is rounded when it is stored', async () => {
    if (!device.traits.f16) return;
    const [x, ...perChannel] = inputs(8);
    const given = [device.tensor(await (x as Tensor).read(), [24, 8], 'f16'), ...perChannel];
    expect(await launches((...five) => [relu(inference(...five))], given)).toBe(2);
    const gradient = (...five: Five) => grad(() => sum(relu(inference(...five))), [five[0]]);
    expect(await launches(gradient, given)).toBeGreaterThan(3);
  });
});

describe('it is not', () => {
  const STEPS: Readonly<Record<string, (x: Tensor) => readonly Tensor[]>> = {
    'where the sum is returned': (x) => {
      const y = add(x, 1);
      return [y, relu(y)];
    },
    'where the sum has another use': (x) => {
      const y = add(x, 1);
      return [relu(y), exp(y)];
    },
    'where the sum is repeated along an axis': (x) => [
      relu(add(reshape(x, [301, 1]), device.tensor([1, 2, 3]))),
    ],
    'where it is no sum': (x) => [relu(exp(x))],
  };
  test.each(Object.entries(STEPS))('%s', async (_, run) => {
    const step = capture(run);
    await using(step as never, async () => {
      const x = mixed(5);
      const expected = await Promise.all(run(x).map(read));
      const before = device.queue.dispatches;
      step(x);
      expect(device.queue.dispatches - before).toBe(step.dispatches);
      expect(await Promise.all(step(x).map(read))).toEqual(expected);
    });
  });

  test('where an operand is updated in between', async () => {
    const weight = device.tensor([1, 2, 3, 4]);
    const step = capture((x: Tensor) => {
      const y = add(weight, x);
      emaUpdate(weight, x, { momentum: 0.5 });
      return relu(y);
    });
    await using(step as never, async () => {
      const x = device.tensor([-2, 0, 2, -8]);
      expect(await read(step(x))).toEqual([0, 2, 5, 0]);
      expect(await read(step(x))).toEqual([0, 1, 4.5, 0]); // weight was (−0.5, 1, 2.5, −2)
    });
  });

  test('where it is f16, which is rounded when it is stored', async () => {
    if (!device.traits.f16) return;
    const x = device.tensor([1, -2, 3], [3], 'f16');
    const step = capture((input: Tensor) => relu(add(input, 1)));
    await using(step as never, async () => {
      step(x);
      expect(step.dispatches).toBe(2);
    });
  });
});

describe('a replay leaves out', () => {
  /** What the first call launches and later ones do not. */
  async function leftOut(run: (x: Tensor) => readonly Tensor[]): Promise<number> {
    const step = capture(run);
    return await using(step as never, async () => {
      const x = device.tensor(
        Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)),
        [4, 4],
      );
      const expected = await Promise.all(run(x).map(read));
      const before = device.queue.dispatches;
      step(x);
      const first = device.queue.dispatches - before;
      for (let call = 0; call < 2; call++) expect(await Promise.all(step(x).map(read))).toEqual(expected);
      return first - step.dispatches;
    });
  }

  test('what nothing reads, and what only that reads', async () => {
    expect(await leftOut((x) => [exp(matmul(x, x)), square(x)].slice(1))).toBe(2);
  });

  test('the value of a loss of which only the gradient is wanted', async () => {
    expect(await leftOut((x) => grad(() => sum(matmul(x, x)), [x]))).toBe(2);
    expect(await leftOut((x) => [valueAndGrad(() => sum(matmul(x, x)), [x]).value])).toBeGreaterThan(2);
  });

  test('the repeated gradient of a sum', async () => {
    // Both factors need it here, so it is made.
    expect(await leftOut((x) => grad(() => sum(mul(x, square(x))), [x]))).toBe(2);
    const weights = device.tensor(
      Float32Array.from({ length: 16 }, (_, i) => 1 / (i - 3)),
      [4, 4],
    );
    // The product and its sum, which nothing reads, and the ones that weights are multiplied with.
    expect(await leftOut((x) => grad(() => sum(mul(x, weights)), [x]))).toBe(3);
  });

  test('nothing that is random and wanted, nor an update of a weight', async () => {
    const weight = device.tensor(new Float32Array(16), [4, 4]);
    const step = (x: Tensor) => {
      emaUpdate(weight, x, { momentum: 1 });
      return [dropout(x, { rate: 0.5, seed: 3 })];
    };
    expect(await leftOut(step)).toBe(0);
  });
});
