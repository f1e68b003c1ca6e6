import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { l1Ball, roomOf, sparseSign, toPlane } from '../../src/kernels/row-solve.ts';
import type { Device } from '../../src/tensor/device.ts';
import { bits, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const RANGE = [0, 1] as const;
const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
const rowsOf = (all: readonly number[], n: number) =>
  Array.from({ length: all.length / n }, (_, i) => all.slice(i * n, (i + 1) * n));
const total = (row: readonly number[]) => row.reduce((sum, value) => sum + Math.abs(value), 0);
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);

describe.each([1, 7, 100])('rows of %i elements', (n) => {
  const x = [...numbers(3 * n, 1)].map((value) => (value + 1) / 2);
  const change = [...numbers(3 * n, 2)];

  test('l1Ball is the soft threshold in the box whose norm is ε, and leaves alone what is inside', async () => {
    const epsilon = 0.3 * n * 0.2;
    const [delta, at] = [device.tensor(change, [3, n]), device.tensor(x, [3, n])];
    const found = rowsOf(await values(l1Ball(delta, at, epsilon, RANGE)), n);
    for (const [i, row] of found.entries()) {
      const boxed = (t: number) =>
        row.map((_, j) => {
          const [d, point] = [change[i * n + j] ?? 0, x[i * n + j] ?? 0];
          return clamp(Math.sign(d) * Math.max(Math.abs(d) - t, 0), -point, 1 - point);
        });
      let [low, high] = [0, 2];
      for (let k = 0; k < 60; k++) {
        const middle = (low + high) / 2;
        if (total(boxed(middle)) > epsilon) low = middle;
        else high = middle;
      }
      const expected = total(boxed(0)) <= epsilon ? boxed(0) : boxed(high);
      expect(Math.max(...row.map((value, j) => Math.abs(value - (expected[j] ?? 9))))).toBeLessThan(1e-6);
      expect(total(row)).toBeLessThan(epsilon * (1 + 1e-5));
    }
    const [inside] = rowsOf(
      await values(
        l1Ball(
          device.tensor(
            change.map((v) => v / 1e4),
            [3, n],
          ),
          at,
          epsilon,
        ),
      ),
      n,
    );
    expect(
      Math.max(...(inside ?? []).map((value, j) => Math.abs(value - (change[j] ?? 9) / 1e4))),
    ).toBeLessThan(1e-9);
  });

  test.each(['linf', 'l2', 'l1'] as const)(
    'toPlane reaches the plane in %s by no longer way than others do',
    async (norm) => {
      const w = device.tensor(change, [3, n]);
      const room = roomOf(device.tensor(x, [3, n]), RANGE);
      const most = rowsOf(change, n).map((row, i) =>
        row.reduce((sum, v, j) => sum + v * (v > 0 ? 1 - (x[i * n + j] ?? 0) : -(x[i * n + j] ?? 0)), 0),
      );
      const gaps = most.map((value) => 0.4 * value);
      const found = rowsOf(await values(toPlane(norm, w, device.tensor(gaps), room)), n);
      const size = (row: readonly number[]) =>
        norm === 'l1' ? total(row) : norm === 'l2' ? Math.hypot(...row) : Math.max(...row.map(Math.abs));
      for (const [i, row] of found.entries()) {
        const [direction, gap] = [change.slice(i * n, (i + 1) * n), gaps[i] ?? 0];
        expect(dot(direction, row)).toBeCloseTo(gap, 4);
        for (const [j, value] of row.entries()) {
          expect(value).toBeGreaterThanOrEqual(-(x[i * n + j] ?? 0) - 1e-6);
          expect(value).toBeLessThanOrEqual(1 - (x[i * n + j] ?? 0) + 1e-6);
        }
        // Hölder's bound holds without the box; the even share of the way to the corner is a way within it.
        const dual =
          norm === 'l1'
            ? Math.max(...direction.map(Math.abs))
            : norm === 'l2'
              ? Math.hypot(...direction)
              : total(direction);
        const corner = direction.map(
          (v, j) => 0.4 * (v > 0 ? 1 - (x[i * n + j] ?? 0) : -(x[i * n + j] ?? 0)),
        );
        expect(size(row)).toBeGreaterThan((gap / dual) * 0.9999);
        expect(size(row)).toBeLessThan(size(corner) * 1.0001);
      }
      const free = roomOf(device.tensor(x, [3, n]));
      for (const [i, row] of rowsOf(await values(toPlane(norm, w, device.tensor(gaps), free)), n).entries()) {
        const direction = change.slice(i * n, (i + 1) * n);
        const dual =
          norm === 'l1'
            ? Math.max(...direction.map(Math.abs))
            : norm === 'l2'
              ? Math.hypot(...direction)
              : total(direction);
        expect((size(row) * dual) / (gaps[i] ?? 0)).toBeCloseTo(1, 4);
      }
      // Out of reach: as far as the box goes. No gap: nowhere.
      const far = rowsOf(await values(toPlane(norm, w, device.tensor(most.map((v) => 2 * v)), room)), n);
      for (const [i, row] of far.entries())
        expect(dot(change.slice(i * n, (i + 1) * n), row)).toBeCloseTo(most[i] ?? 0, 3);
      expect(total(await values(toPlane(norm, w, device.tensor([0, 0, 0]), room)))).toBe(0);
    },
  );

  test('sparseSign picks the largest', async () => {
    const count = Math.ceil(n / 3);
    const found = rowsOf(
      await values(sparseSign(device.tensor(change, [3, n]), device.tensor([count, 1, n]))),
      n,
    );
    for (const [i, row] of found.entries()) {
      const k = [count, 1, n][i] ?? 0;
      const direction = change.slice(i * n, (i + 1) * n);
      const least = direction.map(Math.abs).toSorted((a, b) => b - a)[k - 1] ?? 0;
      const expected = direction.map((v) => (Math.abs(v) >= least ? Math.sign(v) / k : 0));
      expect(Math.max(...row.map((v, j) => Math.abs(v - (expected[j] ?? 9))))).toBeLessThan(1e-6);
    }
  });
});

test('zeros and NaN in the direction move nothing; the same bits twice', async () => {
  const w = device.tensor([0, Number.NaN, 2, -1], [1, 4]);
  const room = roomOf(device.tensor([0.5, 0.5, 0.5, 0.5], [1, 4]), RANGE);
  expect(await values(toPlane('linf', w, device.tensor([0.9]), room))).toEqual([
    0,
    0,
    expect.closeTo(0.3, 6),
    expect.closeTo(-0.3, 6),
  ]);
  expect(await values(sparseSign(w, device.tensor([1])))).toEqual([0, 0, 1, 0]);
  expect(
    await values(
      toPlane('l2', device.tensor([0, 0], [1, 2]), device.tensor([1]), roomOf(device.tensor([0, 0], [1, 2]))),
    ),
  ).toEqual([0, 0]);
  const [a, b] = [toPlane('l2', w, device.tensor([0.9]), room), toPlane('l2', w, device.tensor([0.9]), room)];
  expect(await bits(a)).toEqual(await bits(b));
});

test('shapes that differ are a ShapeError', () => {
  const w = device.tensor([1, 2], [1, 2]);
  expect(() => toPlane('l2', w, device.tensor([1, 2]), { low: w, high: w })).toThrow(ShapeError);
  expect(() => sparseSign(device.tensor(Int32Array.of(1)), device.tensor([1]))).toThrow('a must be f32');
});
