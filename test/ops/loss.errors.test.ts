import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { crossEntropy, klDiv } from '../../src/kernels/loss.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const zeros = (shape: number[]) => device.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
const labels = (n: number) => device.tensor(new Int32Array(n));

test('crossEntropy rejects wrong shapes, dtypes and smoothing', () => {
  expect(() => crossEntropy(zeros([2, 3]), labels(3))).toThrow(
    'crossEntropy: labels must be [2] for logits [2, 3] ([..., C] with C ≥ 1); got [3]',
  );
  expect(() => crossEntropy(zeros([2, 3]), zeros([2]))).toThrow(/labels must be i32/);
  expect(() => crossEntropy(labels(2), labels(2))).toThrow(/logits must be f32/);
  expect(() => crossEntropy(zeros([2, 0]), labels(2))).toThrow(ShapeError);
  expect(() => crossEntropy(zeros([]), labels(1))).toThrow(ShapeError);
  expect(() => crossEntropy(zeros([2, 3]), labels(2), { labelSmoothing: 1.5 })).toThrow(
    /in \[0, 1\]; got 1.5/,
  );
});

test('klDiv rejects wrong shapes and dtypes', () => {
  expect(() => klDiv(zeros([2, 3]), zeros([3]))).toThrow(
    'klDiv: target must have the shape of input, [..., C]; got input [2, 3], target [3]',
  );
  expect(() => klDiv(zeros([]), zeros([]))).toThrow(ShapeError);
  expect(() => klDiv(labels(3), zeros([3]))).toThrow(/input must be f32/);
  expect(() => klDiv(zeros([3]), labels(3))).toThrow(/target must be f32/);
});
