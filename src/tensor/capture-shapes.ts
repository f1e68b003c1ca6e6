import { DisposedError } from '../errors.ts';
import { type Captured, type CaptureOptions, capture, checkStep } from './capture.ts';
import { checkTensor } from './capture-checks.ts';
import type { Tensor } from './tensor.ts';

/**
 * `capture` for steps that are called with a few different shapes, such as a last batch that is smaller: one recording, with
 * memory of its own, for each. Throws what `capture` throws but for changed shapes.
 */
export function captureShapes<I extends readonly Tensor[], R>(
  fn: (...inputs: I) => R,
  options: CaptureOptions = {},
): Captured<I, R> {
  checkStep(fn, options);
  const steps = new Map<string, Captured<I, R>>();
  let disposed = false;
  const call = (...inputs: I): R => {
    if (disposed) throw new DisposedError('capture', 'the captured step was disposed of');
    for (const [i, input] of inputs.entries()) checkTensor(input, i);
    const key = inputs.map(({ dtype, shape }) => `${dtype} ${shape}`).join(', ');
    let step = steps.get(key);
    if (!step) {
      step = capture(fn, options);
      steps.set(key, step);
    }
    return step(...inputs);
  };
  const sum = (of: (step: Captured<I, R>) => number) =>
    [...steps.values()].reduce((all, step) => all + of(step), 0);
  return Object.defineProperties(call, {
    dispatches: { get: () => sum((step) => step.dispatches) },
    memory: {
      get: () => ({
        unplanned: sum(({ memory }) => memory.unplanned),
        planned: sum(({ memory }) => memory.planned),
      }),
    },
    dispose: {
      value: () => {
        disposed = true;
        for (const step of steps.values()) step.dispose();
      },
    },
  }) as Captured<I, R>;
}
