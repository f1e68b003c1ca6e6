import type { AttackModel, ValueRange } from '../../src/attacks/model.ts';
import { add, tanh } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbers } from '../nn/tools.ts';

export type Row = readonly number[];

export interface TanhOptions {
  readonly n: number;
  readonly size: number;
  readonly hidden: number;
  readonly classes: number;
  readonly range?: ValueRange;
  readonly seed?: number;
  /** How far the units are from linear. */
  readonly steep?: number;
}

/** x → tanh(x A + a) B + b in float64, with its gradient. */
export interface Net64 {
  logits(x: Row): number[];
  /** The gradient in x of v · logits. */
  pullback(x: Row, v: Row): number[];
}

/** The same as a model, with samples that it classifies as labelled. */
export interface TanhNet extends Net64 {
  readonly model: AttackModel;
  readonly range: ValueRange | undefined;
  readonly x: Tensor;
  readonly labels: Tensor;
  readonly rows: readonly Row[];
  readonly classes: Row;
}

export const dot = (a: Row, b: Row) => a.reduce((total, value, i) => total + value * (b[i] ?? Number.NaN), 0);

export function argmax64(z: Row): number {
  return z.indexOf(Math.max(...z));
}

/** A list cut into rows. */
export function rows64(all: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: all.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => all[i * width + j] ?? Number.NaN),
  );
}

/** The samples and labels of a net, without a device. */
export function tanh64(options: TanhOptions) {
  const { n, size, hidden, classes, seed = 1, steep = 2 } = options;
  const a = numbers(size * hidden, seed).map((value) => value * steep);
  const b = numbers(hidden * classes, seed + 1).map((value) => value * 2);
  const [shiftA, shiftB] = [numbers(hidden, seed + 2), numbers(classes, seed + 3)];
  const x = numbers(n * size, seed + 4).map((value) => (value + 1) / 2);
  const net = net64(rows64(a, hidden), [...shiftA], rows64(b, classes), [...shiftB]);
  const points = rows64(x, size);
  return {
    ...net,
    weights: [a, shiftA, b, shiftB],
    rows: points,
    classes: points.map((row) => argmax64(net.logits(row))),
  };
}

export function tanhNet(device: Device, options: TanhOptions): TanhNet {
  const { weights, ...net } = tanh64(options);
  const { n, size, hidden, classes, range } = options;
  const shapes = [[size, hidden], [hidden], [hidden, classes], [classes]];
  const [a, shiftA, b, shiftB] = weights.map((w, i) => device.tensor(w, shapes[i] as number[])) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const model: AttackModel = {
    inputs: { x: range },
    logits: ({ x }) => add(matmul(tanh(add(matmul(reshape(x as Tensor, [-1, size]), a), shiftA)), b), shiftB),
  };
  const x = device.tensor(Float32Array.from(net.rows.flat()), [n, size]);
  return { ...net, model, range, x, labels: device.tensor(Int32Array.from(net.classes)) };
}

function net64(a: readonly Row[], shiftA: Row, b: readonly Row[], shiftB: Row): Net64 {
  const column = (matrix: readonly Row[], k: number) => matrix.map((row) => row[k] ?? Number.NaN);
  const units = (x: Row) => shiftA.map((shift, k) => Math.tanh(shift + dot(x, column(a, k))));
  return {
    logits: (x) => shiftB.map((shift, k) => shift + dot(units(x), column(b, k))),
    pullback(x, v) {
      const slopes = units(x).map((unit, k) => (1 - unit * unit) * dot(b[k] ?? [], v));
      return a.map((row) => dot(row, slopes));
    },
  };
}
