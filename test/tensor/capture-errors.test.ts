import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { CaptureError, DisposedError } from '../../src/errors.ts';
import { add, mul, sub } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { capture } from '../../src/tensor/capture.ts';
import { captureShapes } from '../../src/tensor/capture-shapes.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { read } from './captured.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe('a trap is an error', () => {
  const double = (x: Tensor) => mul(x, 2);
  const fails = (fn: (...inputs: Tensor[]) => unknown, inputs: Tensor[], message: RegExp) => {
    const before = device.memory().live;
    const step = capture(fn);
    expect(() => step(...inputs)).toThrow(CaptureError);
    expect(() => step(...inputs)).toThrow(message);
    step.dispose();
    expect(device.memory().live).toBe(before);
  };
  /** A step recorded with one input of shape [3]. */
  const recorded = (fn = double) => {
    const step = capture(fn as (...inputs: Tensor[]) => Tensor);
    step(device.tensor([1, 2, 3]));
    return step;
  };

  test('another shape', () => {
    const step = recorded();
    expect(() => step(device.tensor([1, 2]))).toThrow(/input 0 was recorded as Tensor\(f32 \[3\]\); got/);
    step.dispose();
  });

  test('another element type', () => {
    const step = recorded();
    expect(() => step(device.tensor(Int32Array.of(1, 2, 3)))).toThrow(CaptureError);
    step.dispose();
  });

  test('another number of inputs', () => {
    const step = recorded();
    expect(() => step(device.tensor([1, 2, 3]), device.tensor([1]))).toThrow(/recorded with 1 inputs; got 2/);
    step.dispose();
  });

  test('no input', () => void fails(() => device.tensor([1]), [], /at least one input/));

  test('the same tensor twice, or two views of it', () => {
    const x = device.tensor([1, 2]);
    fails((a, b) => add(a as Tensor, b as Tensor), [x, x], /share memory/);
    fails((a, b) => add(a as Tensor, b as Tensor), [x, x.view([2], 'test')], /share memory/);
  });

  test('an input of another device', async () => {
    const other = await openTestDevice();
    const inputs = [device.tensor([1]), other.tensor([1])];
    fails((a) => mul(a as Tensor, 2), inputs, /different devices/);
    const step = recorded();
    expect(() => step(other.tensor([1, 2, 3]))).toThrow(CaptureError);
    step.dispose();
    other.dispose();
  });

  test('read, item and idle inside', () => {
    for (const wait of [(x: Tensor) => x.read(), () => device.idle()])
      fails(
        (x) => {
          void wait(x as Tensor); // and no rejection that nobody handles
          return mul(x as Tensor, 2);
        },
        [device.tensor([1])],
        /cannot wait/,
      );
  });

  test('an async step, which gives back its memory once it settles', async () => {
    const x = device.tensor([1]);
    const before = device.memory().live;
    const soon = capture(async (input: Tensor) => mul(input, 2));
    const late = capture(async (input: Tensor) => {
      await null;
      return [mul(input, 2), reshape(input, [1, 1])];
    });
    for (const step of [soon, late]) {
      expect(() => step(x)).toThrow(/cannot be async/);
      await device.idle(); // and with it the step's promise
      step.dispose();
    }
    expect(device.memory().live).toBe(before);
  });

  test('an async step that returns its input or a weight leaves them alone', async () => {
    const [x, weight] = [device.tensor([1]), device.tensor([3])];
    const step = capture(async (input: Tensor) => [input, weight, mul(input, 2)]);
    expect(() => step(x)).toThrow(/cannot be async/);
    await device.idle();
    expect([await mul(x, weight).read()]).toEqual([Float32Array.of(3)]);
  });

  test('what is no function, no tensor, or one tensor too many', () => {
    const x = device.tensor([1]);
    for (const make of [capture, captureShapes]) {
      expect(() => make(undefined as never)).toThrow('capture: needs a function; got undefined');
      const step = make((a: Tensor, b: Tensor) => add(a, b));
      expect(() => step(x, undefined as never)).toThrow('capture: needs a tensor as input 1; got undefined');
      step.dispose();
    }
    const step = capture((a: Tensor, b: Tensor) => add(a, b));
    step(x, device.tensor([2]));
    expect(() => (step as (...inputs: Tensor[]) => Tensor)(x, device.tensor([2]), x)).toThrow(
      'capture: the step was recorded with 2 inputs; got 3',
    );
    step.dispose();
  });

  test('writing to a tensor inside', () => {
    const weight = device.tensor([1]);
    fails(
      (x) => {
        device.write(weight, Float32Array.of(2));
        return mul(x as Tensor, weight);
      },
      [device.tensor([1])],
      /cannot write/,
    );
  });

  test('returning an input', () => void fails((x) => x, [device.tensor([1])], /returns one of its inputs/));

  test('moving inputs that are no count, and options that are misspelt', () => {
    for (const make of [capture, captureShapes])
      for (const moving of [-1, 0.5, Number.NaN])
        expect(() => make(double, { moving })).toThrow(CaptureError);
    expect(() => capture(double, { moving: -1 })).toThrow(/moving must be a count of inputs; got -1/);
    expect(() => capture(double, { mooving: 1 } as object)).toThrow(/mooving/);
  });

  test('updating an input in place', () => {
    const optimiser = (x: Tensor) => new AdamW(new Map([['x', x]]));
    const x = device.tensor([1]);
    const adam = optimiser(x);
    adam.prepare(0.1);
    fails(
      (weight, gradient) => {
        adam.apply([gradient as Tensor]);
        return mul(weight as Tensor, 2);
      },
      [x, device.tensor([1])],
      /updates an input in place/,
    );
  });

  test('a captured step inside another', () => {
    const inner = recorded();
    fails((x) => sub(inner(x as Tensor), 1), [device.tensor([1, 2, 3])], /cannot call another/);
    inner.dispose();
  });

  test('a gradient through it', () => {
    const step = recorded();
    const x = device.tensor([1, 2, 3]);
    expect(() => valueAndGrad(() => sum(step(x)), [x])).toThrow(/no gradient flows/);
    step.dispose();
  });

  test('a weight that was disposed of', () => {
    const weight = device.tensor([1, 1, 1]);
    const step = recorded((x) => mul(x, weight));
    weight.dispose();
    device.tensor([2, 2, 2]);
    expect(() => step(device.tensor([1, 2, 3]))).toThrow(DisposedError);
    step.dispose();
  });

  test('an output that was disposed of', () => {
    const step = recorded();
    step(device.tensor([1, 2, 3])).dispose();
    expect(() => step(device.tensor([1, 2, 3]))).toThrow(DisposedError);
    step.dispose();
  });

  test('a step that throws is recorded anew', async () => {
    let broken = true;
    const step = capture((x: Tensor) => {
      const y = mul(x, 2);
      if (broken) throw new Error('not yet');
      return y;
    });
    const x = device.tensor([4]);
    const before = device.memory().live;
    expect(() => step(x)).toThrow('not yet');
    expect(device.memory().live).toBe(before);
    broken = false;
    expect(await read(step(x))).toEqual([8]);
    step.dispose();
  });
});
