import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CaptureError } from '../../src/errors.ts';
import { add, exp, mul, relu, sub } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { dropout } from '../../src/kernels/random.ts';
import { emaUpdate } from '../../src/kernels/update.ts';
import { type Captured, capture } from '../../src/tensor/capture.ts';
import { captureShapes } from '../../src/tensor/capture-shapes.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Launch, Value } from '../../src/tensor/recording.ts';
import { steadyFirst } from '../../src/tensor/steady.ts';
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

describe('a captured step called again', () => {
  const product = (x: Tensor, fixed: Tensor) => matmul(x, relu(exp(mul(fixed, 0.1))));
  const started = (fn: (x: Tensor, fixed: Tensor) => Tensor, fixed: Tensor) => {
    const step = capture(fn as (...inputs: readonly Tensor[]) => Tensor, { moving: 1 });
    // Recorded, and replayed once.
    step(matrix(1), fixed);
    step(matrix(1), fixed);
    return step;
  };

  test('does what depends on the moving input alone, with the bits of a call', async () => {
    const fixed = matrix(2);
    const step = started(product, fixed);
    await using(step as never, async () => {
      for (const seed of [3, 4, 5]) {
        const x = matrix(seed);
        expect(launches(() => step.again(x, fixed))).toBe(1);
        expect(await read(step.again(x, fixed))).toEqual(await read(product(x, fixed)));
      }
      expect(launches(() => step(matrix(3), fixed))).toBe(step.dispatches);
      expect(step.dispatches).toBeGreaterThan(2);
    });
  });

  test('does all where it has not been replayed yet, and where it was not told what moves', async () => {
    const fixed = matrix(2);
    for (const options of [{ moving: 1 }, {}]) {
      const step = capture(product, options);
      await using(step as never, async () => {
        for (const seed of [3, 4, 5]) {
          const x = matrix(seed);
          expect(await read(step.again(x, fixed))).toEqual(await read(product(x, fixed)));
        }
        expect(launches(() => step.again(matrix(6), fixed))).toBe(options.moving ? 1 : step.dispatches);
      });
    }
  });

  test('does all for another fixed input, and for other memory of the same tensor', async () => {
    const step = started(product, matrix(2));
    await using(step as never, async () => {
      for (const seed of [7, 8]) {
        const [x, fixed] = [matrix(3), matrix(seed)];
        expect(await read(step.again(x, fixed))).toEqual(await read(product(x, fixed)));
        expect(await read(step.again(x, fixed))).toEqual(await read(product(x, fixed)));
        fixed.dispose(); // so that the next one may get its memory
      }
    });
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
        expect(await read(step.again(matrix(3), fixed))).toEqual(first);
      }
    });
    other.dispose();
  });

  test('draws anew where a scalar says so', async () => {
    const seed = { value: 1 };
    const masked = (x: Tensor, w: Tensor) => mul(dropout(exp(w), { rate: 0.5, seed }), x);
    const step = started(masked, matrix(2));
    await using(step as never, async () => {
      const [x, fixed] = [matrix(3), matrix(2)];
      step(x, fixed);
      for (const value of [5, 6]) {
        seed.value = value;
        expect(await read(step.again(x, fixed))).toEqual(await read(masked(x, fixed)));
      }
    });
  });

  test('does anew what it updates in place: weights, and what it made itself', async () => {
    const weight = matrix(5);
    const average = (x: Tensor, w: Tensor) => {
      const own = exp(w);
      emaUpdate(own, x, { momentum: 0.5 });
      emaUpdate(weight, own, { momentum: 0.5 });
      return add(own, weight);
    };
    const step = started(average, matrix(2));
    await using(step as never, async () => {
      const [x, fixed] = [matrix(3), matrix(2)];
      step(x, fixed);
      for (let i = 0; i < 3; i++) {
        const before = await read(weight);
        const again = await read(step.again(x, fixed));
        const after = await read(weight);
        device.write(weight, Float32Array.from(before));
        expect(again).toEqual(await read(average(x, fixed)));
        expect(await read(weight)).toEqual(after);
      }
    });
  });

  test('follows weights from one call to the next, and not between', async () => {
    const weight = matrix(5);
    const step = started((x) => mul(x, exp(weight)), matrix(2));
    await using(step as never, async () => {
      const [x, fixed] = [matrix(3), matrix(2)];
      const before = await read(step(x, fixed));
      device.write(weight, numbers(36, 9));
      expect(await read(step.again(x, fixed))).toEqual(before);
      expect(await read(step(x, fixed))).toEqual(await read(mul(x, exp(weight))));
    });
  });

  test('for each set of shapes', async () => {
    const step: Step = captureShapes((...[x, w]) => product(x as Tensor, w as Tensor), { moving: 1 });
    await using(step as never, async () => {
      const fixed = matrix(2);
      for (const rows of [6, 3, 6, 3, 6, 3]) {
        const x = device.tensor(numbers(6 * rows, rows), [rows, 6]);
        expect(await read(step.again(x, fixed))).toEqual(await read(product(x, fixed)));
      }
      expect(launches(() => step.again(matrix(1), fixed))).toBe(1);
    });
  });

  test('is refused what is no count of inputs', () => {
    for (const moving of [-1, 0.5, Number.NaN])
      expect(() => capture(product, { moving })).toThrow(CaptureError);
    expect(() => capture(product, { moving: -1 })).toThrow(/moving must be a count of inputs; got -1/);
  });
});

describe('steadyFirst', () => {
  const value = (bytes: number, inner = true): Value =>
    ({ bytes, inner, constant: false, first: -1, last: -1 }) as unknown as Value;
  /** Reads all values but the last, which it writes. */
  const launch = (...values: Value[]): Launch =>
    ({ values, written: values.map((_, i) => i === values.length - 1), scalars: [] }) as unknown as Launch;

  const [weight, x] = [value(8, false), value(8, false)];
  const [small, large, mixed, last] = [value(10), value(100), value(10), value(10)];
  const all = [
    launch(weight, small),
    launch(x, small, mixed),
    launch(weight, large),
    launch(mixed, large, last),
  ];

  test('keeps the order of what is steady and of what is not', () => {
    const { launches: ordered, steady } = steadyFirst(all, [x]);
    expect(steady).toBe(2);
    expect(ordered).toEqual([all[0], all[2], all[1], all[3]]);
    expect([small.last, large.last]).toEqual([4, 4]);
    expect(last.last).toBe(3);
  });

  test('keeps no more bytes than it may, the smallest longest', () => {
    expect(steadyFirst(all, [x], 110).steady).toBe(2);
    const { launches: ordered, steady } = steadyFirst(all, [x], 109);
    expect(steady).toBe(1);
    expect(ordered).toEqual(all);
    expect(steadyFirst(all, [x], 9).steady).toBe(0);
  });
});
