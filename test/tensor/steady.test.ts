import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { add, exp, mul, relu, sub } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { dropout } from '../../src/kernels/random.ts';
import { emaUpdate } from '../../src/kernels/update.ts';
import { type Captured, capture } from '../../src/tensor/capture.ts';
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

const matrix = (seed: number) => device.tensor(numbers(36, seed), [6, 6]);

/** How many launches an action makes. */
function launches(action: () => unknown): number {
  const before = device.queue.dispatches;
  device.scope(() => void action());
  return device.queue.dispatches - before;
}

type Step = Captured<readonly Tensor[], Tensor>;
type Fn = (x: Tensor, fixed: Tensor) => Tensor;

const product: Fn = (x, fixed) => matmul(x, relu(exp(mul(fixed, 0.1))));
const half = { momentum: 0.5 };

/** A step of which the first input moves. */
const movingStep = (fn: Fn): Step => capture(fn as (...inputs: readonly Tensor[]) => Tensor, { moving: 1 });

describe('a captured step whose other inputs stay', () => {
  /** Recorded, and replayed once. */
  const started = (fn: Fn, fixed: Tensor) => {
    const step = movingStep(fn);
    step(matrix(1), fixed);
    step(matrix(1), fixed);
    return step;
  };
  /** The next call must give the eager result, and launch everything. */
  const expectAnew = async (step: Step, fn: Fn, fixed: Tensor) => {
    const x = matrix(4);
    expect(launches(() => step(x, fixed))).toBe(step.dispatches);
    expect(await read(step(x, fixed))).toEqual(await read(fn(x, fixed)));
  };
  /** The next call must give the eager result, and launch less than everything. */
  const expectKept = async (step: Step, fn: Fn, fixed: Tensor) => {
    const x = matrix(4);
    expect(launches(() => step(x, fixed))).toBeLessThan(step.dispatches);
    expect(await read(step(x, fixed))).toEqual(await read(fn(x, fixed)));
  };

  test('does what depends on the moving input alone, with the bits of the eager one', async () => {
    const fixed = matrix(2);
    const step = started(product, fixed);
    await using(step as never, async () => {
      for (const seed of [3, 4, 5]) {
        const x = matrix(seed);
        expect(launches(() => step(x, fixed))).toBe(1);
        expect(await read(step(x, fixed))).toEqual(await read(product(x, fixed)));
      }
      expect(step.dispatches).toBeGreaterThan(2);
    });
  });

  test('does all at its first replay, and where it was not told what moves', async () => {
    const fixed = matrix(2);
    for (const options of [{ moving: 1 }, {}]) {
      const step = capture(product, options);
      await using(step as never, async () => {
        step(matrix(3), fixed);
        expect(launches(() => step(matrix(4), fixed))).toBe(step.dispatches);
        expect(await read(step(matrix(5), fixed))).toEqual(await read(product(matrix(5), fixed)));
        expect(launches(() => step(matrix(6), fixed))).toBe(options.moving ? 1 : step.dispatches);
      });
    }
  });

  test('keeps what is steady while memory is taken and given back around it', async () => {
    const fixed = matrix(2);
    const step = started((x, w) => {
      const kept = exp(w);
      return sub(matmul(exp(matmul(x, kept)), kept), mul(x, kept));
    }, fixed);
    const other = capture((x: Tensor) => exp(relu(matmul(x, x))));
    await using(step as never, async () => {
      const first = await read(step(matrix(3), fixed));
      for (let i = 0; i < 4; i++) {
        device.scope(() => void other(matrix(4 + i)));
        expect(await read(step(matrix(3), fixed))).toEqual(first);
      }
    });
    other.dispose();
  });

  test('does all for another fixed input, also where it lies in the memory of the one before', async () => {
    const first = matrix(2);
    const step = started(product, first);
    await using(step as never, async () => {
      await expectAnew(step, product, matrix(7));
      const [x, before] = [matrix(4), matrix(8)];
      const memory = before.storage('test').buffer;
      step(x, before);
      before.dispose();
      const after = matrix(9);
      expect(after.storage('test').buffer).toBe(memory);
      expect(await read(step(x, after))).toEqual(await read(product(x, after)));
    });
  });

  /** What prepares a change. */
  const changes: Readonly<Record<string, (tensor: Tensor) => () => void>> = {
    'written by the host': (tensor) => () => device.write(tensor, numbers(36, 9)),
    'updated in place': (tensor) => () => emaUpdate(tensor, matrix(8), half),
    'updated by another captured step': (tensor) => {
      const update = capture((x: Tensor) => {
        emaUpdate(tensor, x, half);
        return mul(x, 2);
      });
      update(matrix(3));
      return () => {
        update(matrix(4));
        update.dispose();
      };
    },
    'changed by commands of the application': (tensor) => () => {
      device.gpu.queue.writeBuffer(tensor.buffer, 0, numbers(36, 11));
    },
  };
  test.each(Object.entries(changes))('does all once a fixed input or a weight is %s', async (_, change) => {
    const [weight, fixed] = [matrix(5), matrix(2)];
    const fn: Fn = (x, w) => add(mul(x, exp(weight)), exp(w));
    const step = started(fn, fixed);
    await using(step as never, async () => {
      for (const tensor of [fixed, weight]) {
        const apply = change(tensor);
        step(matrix(3), fixed);
        await expectKept(step, fn, fixed);
        apply();
        await expectAnew(step, fn, fixed);
      }
    });
  });

  test('does all where it wraps memory of the application, which changes unseen', async () => {
    const gpu = device.gpu.createBuffer({ size: 144, usage: 0x80 | 0x04 | 0x08 });
    const weight = device.wrap(gpu, [6, 6]);
    device.gpu.queue.writeBuffer(gpu, 0, numbers(36, 3));
    const fn: Fn = (x, w) => add(mul(x, exp(weight)), exp(w));
    const step = started(fn, matrix(2));
    await using(step as never, async () => {
      const fixed = matrix(2);
      await expectAnew(step, fn, fixed);
      device.gpu.queue.writeBuffer(gpu, 0, numbers(36, 4));
      await expectAnew(step, fn, fixed);
    });
    gpu.destroy();
  });

  test('takes its own output as a fixed input', async () => {
    const fn: Fn = (x, w) => add(mul(x, 0.5), exp(mul(w, 0.1)));
    const step = movingStep(fn);
    await using(step as never, async () => {
      const x = matrix(3);
      let [captured, eager] = [matrix(2), matrix(2)];
      for (let i = 0; i < 5; i++) {
        captured = step(x, captured);
        eager = fn(x, eager);
        expect(await read(captured)).toEqual(await read(eager));
      }
    });
  });

  test('restores a steady output that was changed in place', async () => {
    const step = capture((x: Tensor, w: Tensor) => ({ kept: exp(w), y: mul(x, w) }), { moving: 1 });
    const [x, fixed] = [matrix(3), matrix(2)];
    await using(step as never, async () => {
      for (let i = 0; i < 4; i++) {
        const { kept } = step(x, fixed);
        expect(await read(kept)).toEqual(await read(exp(fixed)));
        if (i > 0) emaUpdate(kept, x, half);
      }
    });
  });

  test('draws anew where a scalar says so', async () => {
    const seed = { value: 1 };
    const masked: Fn = (x, w) => mul(dropout(exp(w), { rate: 0.5, seed }), x);
    const fixed = matrix(2);
    const step = started(masked, fixed);
    await using(step as never, async () => {
      const x = matrix(3);
      for (const value of [5, 6]) {
        seed.value = value;
        expect(await read(step(x, fixed))).toEqual(await read(masked(x, fixed)));
      }
    });
  });

  test('is not misled by a replay that throws', async () => {
    const rate = {
      fails: false,
      get value() {
        if (this.fails) throw new RangeError('no seed');
        return 1;
      },
    };
    const fn: Fn = (x, w) => add(mul(dropout(x, { rate: 0.5, seed: rate }), x), exp(w));
    const step = started(fn, matrix(2));
    await using(step as never, async () => {
      const [x, other] = [matrix(3), matrix(7)];
      rate.fails = true;
      expect(() => step(x, other)).toThrow(RangeError);
      rate.fails = false;
      expect(await read(step(x, other))).toEqual(await read(fn(x, other)));
    });
  });

  const updates: Readonly<Record<string, (own: Tensor) => Fn>> = {
    'a weight, by what moves': (own) => (x, w) => {
      emaUpdate(own, x, half);
      return add(exp(w), own);
    },
    'a weight, by what stays': (own) => (x, w) => {
      emaUpdate(own, exp(w), half);
      return mul(x, exp(own));
    },
    'what it made, by what moves': () => (x, w) => {
      const made = exp(w);
      emaUpdate(made, x, half);
      return exp(made);
    },
    'what it made and used before, by what stays': () => (x, w) => {
      const made = exp(w);
      const y = matmul(x, made);
      emaUpdate(made, w, half);
      return matmul(y, made);
    },
  };
  test.each(Object.entries(updates))('updates in place: %s', async (_, make) => {
    const [own, eager] = [matrix(5), matrix(5)];
    const [step, fn] = [movingStep(make(own)), make(eager)];
    await using(step as never, async () => {
      const fixed = matrix(2);
      for (const seed of [3, 4, 5, 6]) {
        const x = matrix(seed);
        expect(await read(step(x, fixed))).toEqual(await read(fn(x, fixed)));
        expect(await read(own)).toEqual(await read(eager));
      }
    });
  });

  test('updates a constant as a step of which everything moves does', async () => {
    const fn: Fn = (x, w) => {
      const constant = device.tensor(numbers(36, 5), [6, 6]);
      emaUpdate(constant, w, half);
      return add(x, constant);
    };
    const [step, all] = [movingStep(fn), capture(fn)];
    await using(step as never, async () => {
      const [x, fixed] = [matrix(3), matrix(2)];
      for (let i = 0; i < 4; i++) expect(await read(step(x, fixed))).toEqual(await read(all(x, fixed)));
    });
    all.dispose();
  });

  test('is profiled as it is launched', async () => {
    const fixed = matrix(2);
    const step = started(product, fixed);
    await using(step as never, async () => {
      const { dispatches } = await device.profile(() => void step(matrix(3), fixed));
      expect(dispatches.length).toBe(1);
    });
  });

  test('for each set of shapes', async () => {
    const step: Step = captureShapes((...[x, w]) => product(x as Tensor, w as Tensor), { moving: 1 });
    await using(step as never, async () => {
      const fixed = matrix(2);
      for (const rows of [6, 3, 6, 3, 6, 3]) {
        const x = device.tensor(numbers(6 * rows, rows), [rows, 6]);
        expect(await read(step(x, fixed))).toEqual(await read(product(x, fixed)));
      }
      expect(launches(() => step(matrix(1), fixed))).toBe(1);
    });
  });
});
