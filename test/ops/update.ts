import { mul } from '../../src/kernels/elementwise.ts';
import { accumulateUpdate, adamwUpdate, emaUpdate, sgdUpdate } from '../../src/kernels/update.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { normal, type OpCase, opCase, uniform } from './case.ts';
import { type Nd, nd } from './nd.ts';

// Updates work in place, so each case updates copies of its inputs. Several steps, and what is refused: update.test.ts.
const SHAPES = [[1], [3, 5], [64], [1001]];

const copy = (x: Tensor) => mul(x, 1);

function zip(f: (...values: number[]) => number, first: Nd, ...others: Nd[]): Nd {
  return nd(
    first.shape,
    first.data.map((value, i) => f(value, ...others.map(({ data }) => data[i] ?? Number.NaN))),
  );
}

function sgdCase(shape: number[], nesterov: boolean): OpCase {
  const [rate, mu, decay] = [0.1, 0.9, 0.05];
  return opCase<'param' | 'grad' | 'velocity'>({
    name: `sgdUpdate [${shape}] nesterov ${nesterov}`,
    inputs: { param: normal(shape), grad: normal(shape), velocity: normal(shape) },
    op: (x) => {
      const [param, velocity] = [copy(x.param), copy(x.velocity)];
      sgdUpdate(param, x.grad, velocity, { learningRate: rate, momentum: mu, weightDecay: decay, nesterov });
      return [param, velocity];
    },
    reference: ({ param, grad, velocity }) => {
      const d = zip((g, p) => g + decay * p, grad, param);
      const v = zip((old, now) => mu * old + now, velocity, d);
      return [zip((p, now, m) => p - rate * (nesterov ? now + mu * m : m), param, d, v), v];
    },
    gradients: [],
  });
}

function adamwCase(shape: number[], step: number): OpCase {
  const [rate, beta1, beta2, epsilon, decay] = [0.05, 0.8, 0.95, 1e-6, 0.1];
  return opCase<'param' | 'grad' | 'm' | 'v'>({
    name: `adamwUpdate [${shape}] step ${step}`,
    inputs: { param: normal(shape), grad: normal(shape), m: normal(shape), v: uniform(shape, 0.1, 2) },
    op: (x) => {
      const [param, m, v] = [copy(x.param), copy(x.m), copy(x.v)];
      const options = { learningRate: rate, beta1, beta2, epsilon, weightDecay: decay, step };
      adamwUpdate(param, x.grad, m, v, options);
      return [param, m, v];
    },
    reference: ({ param, grad, m, v }) => {
      const mean = zip((old, g) => beta1 * old + (1 - beta1) * g, m, grad);
      const square = zip((old, g) => beta2 * old + (1 - beta2) * g * g, v, grad);
      const root = (s: number) => Math.sqrt(s / (1 - beta2 ** step)) + epsilon;
      const moved = (p: number, a: number, s: number) =>
        p * (1 - rate * decay) - (rate * a) / (1 - beta1 ** step) / root(s);
      return [zip(moved, param, mean, square), mean, square];
    },
    gradients: [],
  });
}

function emaCase(shape: number[]): OpCase {
  return opCase<'target' | 'value'>({
    name: `emaUpdate [${shape}]`,
    inputs: { target: normal(shape), value: normal(shape) },
    op: (x) => {
      const target = copy(x.target);
      emaUpdate(target, x.value, { momentum: 0.1 });
      return target;
    },
    reference: ({ target, value }) => zip((t, x) => 0.9 * t + 0.1 * x, target, value),
    gradients: [],
  });
}

function accumulateCase(shape: number[], fresh: number): OpCase {
  return opCase<'target' | 'value'>({
    name: `accumulateUpdate [${shape}] fresh ${fresh}`,
    inputs: { target: normal(shape), value: normal(shape) },
    op: (x) => {
      const target = copy(x.target);
      accumulateUpdate(target, x.value, { scale: 0.25, fresh });
      return target;
    },
    reference: ({ target, value }) => zip((t, x) => (fresh ? 0 : t) + 0.25 * x, target, value),
    gradients: [],
  });
}

export const cases: readonly OpCase[] = SHAPES.flatMap((shape) => [
  sgdCase(shape, false),
  sgdCase(shape, true),
  adamwCase(shape, 1),
  adamwCase(shape, 100),
  emaCase(shape),
  accumulateCase(shape, 0),
  accumulateCase(shape, 1),
]);
