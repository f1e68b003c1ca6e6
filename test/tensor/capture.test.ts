import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { DisposedError } from '../../src/errors.ts';
import { add, exp, mul, relu } from '../../src/kernels/elementwise.ts';
import { slice } from '../../src/kernels/layout.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { dropout } from '../../src/kernels/random.ts';
import { mean, sum } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Dropout, Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { capture } from '../../src/tensor/capture.ts';
import { captureShapes } from '../../src/tensor/capture-shapes.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { numbers, read, using } from './captured.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const input = (seed: number, shape = [4, 6]) => device.tensor(numbers(24, seed), shape);

describe('a captured step', () => {
  const chain = (x: Tensor) => {
    const y = relu(matmul(x, device.tensor(numbers(24, 3), [6, 4])));
    return { y: exp(mul(y, 0.1)), total: sum(mul(y, y)) };
  };

  test('gives the bits of the eager one, at the first call and at every replay', async () => {
    const step = capture(chain);
    await using(step as never, async () => {
      for (const seed of [1, 2, 5, 1]) {
        const x = input(seed);
        const eager = chain(x);
        const replayed = step(x);
        expect(await read(replayed.y)).toEqual(await read(eager.y));
        expect(await read(replayed.total)).toEqual(await read(eager.total));
      }
      expect(step.dispatches).toBeGreaterThan(3);
    });
  });

  test('overwrites its outputs, which are the same tensors every time, and takes them as inputs', async () => {
    const step = capture((x: Tensor) => add(mul(x, 2), 1));
    await using(step as never, async () => {
      let x = device.tensor([1, 2, 3]);
      const first = step(x);
      for (let i = 0; i < 3; i++) x = step(x);
      expect(x).toBe(first);
      expect(await read(x)).toEqual([15, 23, 31]);
    });
  });

  test('survives the scope of its first call', async () => {
    const step = capture((x: Tensor) => mul(x, 3));
    await using(step as never, async () => {
      device.scope(() => void step(device.tensor([1])));
      expect(await read(step(device.tensor([5])))).toEqual([15]);
    });
  });

  test('keeps uploaded constants when memory is reused', async () => {
    const step = capture((x: Tensor) => add(x, device.tensor([10, 20, 30])));
    await using(step as never, async () => {
      step(device.tensor([0, 0, 0]));
      for (let i = 0; i < 5; i++) device.tensor([7, 7, 7]);
      expect(await read(step(device.tensor([1, 2, 3])))).toEqual([11, 22, 33]);
    });
  });

  test('reads weights anew, and updates them in place', async () => {
    const weight = device.tensor([2]);
    const step = capture((x: Tensor) => mul(x, weight));
    await using(step as never, async () => {
      expect(await read(step(device.tensor([3])))).toEqual([6]);
      device.write(weight, Float32Array.of(5));
      expect(await read(step(device.tensor([3])))).toEqual([15]);
    });
  });

  test('leaves weights that it returns to their owner', async () => {
    const weight = device.tensor([2]);
    const step = capture((x: Tensor) => ({ weight, y: mul(x, weight) }));
    step(device.tensor([3]));
    expect(step(device.tensor([3])).weight).toBe(weight);
    step.dispose();
    expect(await read(weight)).toEqual([2]);
  });

  test('follows scalars: another seed draws another mask', async () => {
    const seed = { value: 1 };
    const step = capture((x: Tensor) => dropout(x, { rate: 0.5, seed }));
    await using(step as never, async () => {
      const x = input(1);
      for (const value of [1, 2, 2 ** 40 + 3, 1]) {
        seed.value = value;
        expect(await read(step(x))).toEqual(await read(dropout(x, { rate: 0.5, seed: value })));
      }
    });
  });

  test('shares the memory of intermediates that are not needed at the same time', async () => {
    const deep = (x: Tensor) => {
      let y = x;
      for (let i = 0; i < 20; i++) y = add(mul(y, 0.9), 0.1);
      return y;
    };
    const step = capture(deep);
    await using(step as never, async () => {
      const x = device.tensor(numbers(4096, 1));
      step(x);
      expect(step.memory.unplanned).toBe(39 * 4096 * 4);
      expect(step.memory.planned).toBe(2 * 4096 * 4);
      expect(await read(step(x))).toEqual(await read(deep(x)));
    });
  });

  test('lays small intermediates side by side where a large one was', async () => {
    const fn = (x: Tensor) => {
      const small = slice(mul(x, 2), { begin: [0], size: [1024] });
      return mul(mul(small, 3), add(small, 1));
    };
    const step = capture(fn);
    await using(step as never, async () => {
      const x = device.tensor(numbers(4096, 1));
      step(x);
      expect(step.memory.unplanned).toBe((4096 + 3 * 1024) * 4);
      expect(step.memory.planned).toBe((4096 + 1024) * 4);
      const { result, dispatches } = await device.profile(() => step(x));
      expect(await read(result)).toEqual(await read(fn(x)));
      expect(dispatches.at(-1)?.bytes).toBe(3 * 1024 * 4); // both of its operands, though they lie in one buffer
    });
  });

  test('captured for each set of shapes, and for none once disposed of', async () => {
    const step = captureShapes((x: Tensor) => mul(x, 2));
    expect(await read(step(device.tensor([1, 2])))).toEqual([2, 4]);
    expect(await read(step(device.tensor([3])))).toEqual([6]);
    expect(await read(step(device.tensor([4, 5])))).toEqual([8, 10]);
    expect(step.dispatches).toBe(2);
    step.dispose();
    for (const x of [device.tensor([1, 2]), device.tensor([1, 2, 3])])
      expect(() => step(x)).toThrow(DisposedError);
  });

  test('gives back all it owns', async () => {
    const before = device.memory().live;
    const x = input(1);
    const step = capture(chain);
    step(x);
    step(x);
    step.dispose();
    step.dispose();
    x.dispose();
    expect(device.memory().live).toBe(before);
    expect(() => step(input(1))).toThrow(DisposedError);
  });

  test('is seen by a profile launch by launch', async () => {
    const step = capture(chain);
    await using(step as never, async () => {
      const x = input(1);
      step(x);
      const { dispatches } = await device.profile(() => step(x));
      expect(dispatches).toHaveLength(step.dispatches);
    });
  });
});

describe('a captured training step', () => {
  const build = (seed: number) => {
    const init = new Initialiser(device, seed);
    const network = new Sequential(
      new Linear(init, { in: 6, out: 16 }),
      new BatchNorm(init, 16),
      new Relu(),
      new Dropout(0.3, 1),
      new Linear(init, { in: 16, out: 4 }),
    );
    const optimiser = new AdamW(network.namedParameters());
    const mode = { training: true, seed: { value: 0 } };
    const update = (x: Tensor, labels: Tensor) => {
      const loss = () => mean(crossEntropy(network.forward(x, mode), labels, { reduction: 'none' }));
      const { value, grads } = valueAndGrad(loss, network.parameters());
      optimiser.apply(grads);
      return value;
    };
    return { network, optimiser, mode, update };
  };

  test('moves weights, statistics and optimiser state as the eager one does, bit for bit', async () => {
    const [eager, replayed] = [build(1), build(1)];
    const step = capture(replayed.update);
    const losses: number[][] = [];
    await using(step as never, async () => {
      for (let i = 0; i < 5; i++) {
        const [x, labels] = [input(i + 2), device.tensor(Int32Array.of(0, 1, 2, 3))];
        for (const one of [eager, replayed]) {
          one.mode.seed.value = i;
          one.optimiser.prepare(0.1 / (i + 1));
        }
        const loss = device.scope(() => eager.update(x, labels));
        losses.push([await loss.item(), await step(x, labels).item()]);
      }
    });
    for (const [a, b] of losses) expect(b).toBe(a);
    expect(new Set(losses.map(([a]) => a)).size).toBe(5);
    const states = [eager, replayed].map(({ network, optimiser }) => [
      ...network.namedState().values(),
      ...optimiser.namedState().values(),
    ]);
    for (const [i, tensor] of (states[0] as Tensor[]).entries())
      expect(await read(states[1]?.[i] as Tensor)).toEqual(await read(tensor));
  });

  test('keeps live bytes constant', async () => {
    const { optimiser, update } = build(2);
    const step = capture(update);
    await using(step as never, async () => {
      const [x, labels] = [input(1), device.tensor(Int32Array.of(0, 1, 2, 3))];
      optimiser.prepare(0.01);
      step(x, labels);
      const before = device.memory().live;
      for (let i = 0; i < 20; i++) {
        optimiser.prepare(0.01);
        step(x, labels);
      }
      expect(device.memory().live).toBe(before);
    });
  });
});

test('a replay allocates nothing for a launch in JavaScript', async () => {
  const x = device.tensor([1]);
  const chain = (length: number) =>
    capture((y: Tensor) => Array.from({ length }).reduce((last: Tensor) => add(last, 1), y));
  const [few, many] = [chain(20), chain(220)];
  /** Bytes of the heap that one call takes: the median of some. */
  const allocated = (step: typeof few): number => {
    const bytes = Array.from({ length: 11 }, () => {
      const before = process.memoryUsage().heapUsed;
      step(x);
      return process.memoryUsage().heapUsed - before;
    });
    return bytes.sort((a, b) => a - b)[5] as number;
  };
  for (const step of [few, many]) allocated(step); // compiled by now
  await device.idle();
  expect((allocated(many) - allocated(few)) / 200).toBeLessThan(16);
  expect(await many(x).item()).toBe(221);
  for (const step of [few, many]) step.dispose();
});
