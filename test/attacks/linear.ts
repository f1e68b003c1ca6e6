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
  /** The same to one given class. */
  distanceTo(sample: number, target: number, norm: Norm): number;
}

const DUAL: Readonly<Record<Norm, (w: readonly number[]) => number>> = {
  linf: (w) => w.reduce((sum, v) => sum + Math.abs(v), 0),
  l2: (w) => Math.hypot(...w),
  l1: (w) => Math.max(...w.map(Math.abs)),
};

/** logits = x W + b of [n, size] samples around 1/2, whose labels are what the model says. */
export function linear(
  device: Device,
  { n, size, classes, range }: { n: number; size: number; classes: number; range?: ValueRange },
): Linear {
  const w = numbers(size * classes, 7);
  const b = numbers(classes, 8);
  const x = numbers(n * size, 9).map((value) => 0.5 + value / 5);
  const [weights, bias] = [device.tensor(w, [size, classes]), device.tensor(b)];
  const logits = (i: number) =>
    Array.from({ length: classes }, (_, k) =>
      Array.from({ length: size }, (_, j) => (x[i * size + j] ?? 0) * (w[j * classes + k] ?? 0)).reduce(
        (sum, v) => sum + v,
        b[k] ?? 0,
      ),
    );
  const labels = Array.from({ length: n }, (_, i) => logits(i).indexOf(Math.max(...logits(i))));
  const distanceTo = (i: number, k: number, norm: Norm) => {
    const y = labels[i] ?? 0;
    const z = logits(i);
    const difference = Array.from(
      { length: size },
      (_, j) => (w[j * classes + k] ?? 0) - (w[j * classes + y] ?? 0),
    );
    return ((z[y] ?? 0) - (z[k] ?? 0)) / DUAL[norm](difference);
  };
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
    distanceTo,
  };
}
