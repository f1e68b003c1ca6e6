import type { AttackModel, ValueRange } from '../../src/attacks/model.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers } from '../nn/tools.ts';

export interface Linear {
  readonly model: AttackModel;
  readonly x: Tensor;
  readonly labels: Tensor;
  /** The distance of each sample to the next class, in each norm. */
  readonly distances: Readonly<Record<Norm, readonly number[]>>;
  /** To where another class is as likely as the label. */
  distanceTo(sample: number, target: number, norm: Norm): number;
  /** Whether the model chooses that class there, so that no way to it is shorter. */
  reaches(sample: number, target: number, norm: Norm): boolean;
  /** The other class with the largest logit. */
  readonly likeliest: readonly number[];
}

export interface LinearOptions {
  readonly n: number;
  readonly size: number;
  readonly classes: number;
  readonly range?: ValueRange;
  /** How far samples are from 1/2 at most: 0.2. */
  readonly spread?: number;
}

const DUAL: Readonly<Record<Norm, (w: readonly number[]) => number>> = {
  linf: (w) => w.reduce((sum, v) => sum + Math.abs(v), 0),
  l2: (w) => Math.hypot(...w),
  l1: (w) => Math.max(...w.map(Math.abs)),
};

/** The steepest direction of length 1: w·direction is the dual norm of w. */
const STEEPEST: Readonly<Record<Norm, (w: readonly number[]) => number[]>> = {
  linf: (w) => w.map(Math.sign),
  l2: (w) => w.map((v) => v / Math.hypot(...w)),
  l1: (w) => w.map((v) => (Math.abs(v) === Math.max(...w.map(Math.abs)) ? Math.sign(v) : 0)),
};

/** logits = x W + b of [n, size] samples around 1/2, whose labels are what the model says. */
export function linear(device: Device, { n, size, classes, range, spread = 0.2 }: LinearOptions): Linear {
  const w = numbers(size * classes, 7);
  const b = numbers(classes, 8);
  const x = numbers(n * size, 9).map((value) => 0.5 + value * spread);
  const [weights, bias] = [device.tensor(w, [size, classes]), device.tensor(b)];
  const rowOf = (i: number) => [...x.slice(i * size, (i + 1) * size)];
  const logitsAt = (row: readonly number[]) =>
    Array.from({ length: classes }, (_, k) =>
      row.reduce((sum, v, j) => sum + v * (w[j * classes + k] ?? 0), b[k] ?? 0),
    );
  const logits = (i: number) => logitsAt(rowOf(i));
  const labels = Array.from({ length: n }, (_, i) => logits(i).indexOf(Math.max(...logits(i))));
  const towards = (i: number, k: number) =>
    Array.from(
      { length: size },
      (_, j) => (w[j * classes + k] ?? 0) - (w[j * classes + (labels[i] ?? 0)] ?? 0),
    );
  const distanceTo = (i: number, k: number, norm: Norm) => {
    const z = logits(i);
    return ((z[labels[i] ?? 0] ?? 0) - (z[k] ?? 0)) / DUAL[norm](towards(i, k));
  };
  const reaches = (i: number, k: number, norm: Norm) => {
    const far = 1.001 * distanceTo(i, k, norm);
    const steepest = STEEPEST[norm](towards(i, k));
    const z = logitsAt(rowOf(i).map((v, j) => v + far * (steepest[j] ?? 0)));
    return z.indexOf(Math.max(...z)) === k;
  };
  const likeliest = labels.map((y, i) => {
    const others = logits(i).map((z, k) => (k === y ? Number.NEGATIVE_INFINITY : z));
    return others.indexOf(Math.max(...others));
  });
  const nearest = (norm: Norm) =>
    labels.map((y, i) => Math.min(...logits(i).flatMap((_, k) => (k === y ? [] : [distanceTo(i, k, norm)]))));
  return {
    model: {
      inputs: { x: range },
      logits: ({ x: input }) => add(matmul(reshape(input as Tensor, [-1, size]), weights), bias),
    },
    x: device.tensor(x, [n, size]),
    labels: device.tensor(Int32Array.from(labels)),
    distances: { linf: nearest('linf'), l2: nearest('l2'), l1: nearest('l1') },
    ...{ distanceTo, reaches, likeliest },
  };
}
