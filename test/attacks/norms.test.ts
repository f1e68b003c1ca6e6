import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ascend, type Budget, checkBudget, project, randomStart } from '../../src/attacks/norms.ts';
import { ShapeError } from '../../src/errors.ts';
import type { Device } from '../../src/tensor/device.ts';
import { bits, expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const clip = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

describe.each([1, 4, 7, 1001])('%i elements', (size) => {
  const [x, current, gradient] = [numbers(size, 1), numbers(size, 2), numbers(size, 3)];
  gradient[0] = 0;
  if (size > 1) gradient[size - 1] = Number.NaN;

  // Neither a gradient of 0 nor NaN moves anything.
  test.each([
    { epsilon: 0.3, stepSize: 0.2 },
    { epsilon: 0.3, stepSize: 0.2, range: [-0.5, 0.5] as const },
    { epsilon: 0.25, stepSize: 10, range: [0, 1] as const },
  ])('ascend is clip(x + α sign(g)) on ball and range: %o', async ({ stepSize, ...budget }) => {
    const start = current.map((value, i) => (x[i] ?? 0) + value * budget.epsilon);
    const moved = ascend(device.tensor(start), device.tensor(gradient), device.tensor(x), budget, stepSize);
    const [low, high] = budget.range ?? [-Infinity, Infinity];
    const expected = start.map((value, i) => {
      const to = value + stepSize * (Math.sign(gradient[i] ?? 0) || 0);
      return clip(clip(to, (x[i] ?? 0) - budget.epsilon, (x[i] ?? 0) + budget.epsilon), low, high);
    });
    await expectClose(moved, expected, 1e-6);
  });

  test('project moves no point that is inside, bit for bit, and the others to the nearest', async () => {
    const budget = { epsilon: 0.5, range: [-0.75, 0.75] as const };
    const inside = x.map((value) => clip(value + 0.25, -0.75, 0.75));
    const [point, origin] = [
      device.tensor(inside),
      device.tensor(x.map((value) => clip(value, -0.75, 0.75))),
    ];
    expect(await bits(project(point, origin, budget))).toEqual(await bits(point));
    const far = project(device.tensor(current.map((value) => value * 9)), device.tensor(x), budget);
    const expected = current.map((value, i) =>
      clip(clip(value * 9, (x[i] ?? 0) - 0.5, (x[i] ?? 0) + 0.5), -0.75, 0.75),
    );
    await expectClose(far, expected, 1e-6);
  });
});

test('randomStart is uniform in the ball and inside the range', async () => {
  const x = device.tensor(new Float32Array(20000).fill(0.5));
  const free = await values(randomStart(x, { epsilon: 0.2 }, 1, 0));
  const noise = free.map((value) => (value - 0.5) / 0.2);
  expect(Math.max(...noise.map(Math.abs))).toBeLessThanOrEqual(1 + 1e-6);
  const mean = noise.reduce((a, b) => a + b, 0) / noise.length;
  const square = noise.reduce((a, b) => a + b * b, 0) / noise.length;
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(3 * noise.length));
  expect(Math.abs(square - 1 / 3)).toBeLessThan(0.01);
  const ranged = await values(randomStart(x, { epsilon: 0.2, range: [0.45, 0.5] }, 1, 0));
  expect([Math.min(...ranged), Math.max(...ranged)]).toEqual([Math.fround(0.45), 0.5]);
  expect(await bits(randomStart(x, { epsilon: 0.2 }, 1, 0))).not.toEqual(
    await bits(randomStart(x, { epsilon: 0.2 }, 1, 1)),
  );
});

test.each([-1, -1e-9, Number.NaN])('ε = %f is a ShapeError that says so', (epsilon) => {
  expect(() => checkBudget('pgd', { epsilon })).toThrow(ShapeError);
  expect(() => checkBudget('pgd', { epsilon })).toThrow(
    `pgd: epsilon must be a number of at least 0; got ${epsilon}`,
  );
});

test.each([
  [{ stepSize: Number.NaN }, 'stepSize must be a finite number of at least 0; got NaN'],
  [{ stepSize: -0.1 }, 'stepSize must be a finite number of at least 0; got -0.1'],
  [{ stepSize: Number.POSITIVE_INFINITY }, 'stepSize must be a finite number of at least 0; got Infinity'],
  [{ range: [1, 0] as const }, 'range must be [low, high]; got [1, 0]'],
  [{ range: [0, Number.NaN] as const }, 'range must be [low, high]; got [0, NaN]'],
])('%o is a ShapeError that says so', (options, message) => {
  const budget: Budget & { stepSize?: number } = { epsilon: 1, ...options };
  expect(() => checkBudget('pgd', budget)).toThrow(new ShapeError('pgd', message));
  const x = device.tensor([1, 2]);
  expect(() => ascend(x, x, x, budget, budget.stepSize ?? 1)).toThrow(new ShapeError('ascend', message));
  if (!budget.range) return;
  expect(() => project(x, x, budget)).toThrow(new ShapeError('project', message));
  expect(() => randomStart(x, budget, 1, 0)).toThrow(new ShapeError('randomStart', message));
});

test('other shapes are a ShapeError', () => {
  const [a, b] = [device.tensor([1, 2]), device.tensor([1, 2, 3])];
  expect(() => ascend(a, b, a, { epsilon: 1 }, 1)).toThrow(ShapeError);
  expect(() => ascend(a, a, b, { epsilon: 1 }, 1)).toThrow(ShapeError);
});
