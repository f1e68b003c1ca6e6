import type { ActionDataset } from '../src/data/dataset.ts';

/** Share of test samples that a linear model gets right, per modality and with the scores of both added. */
export interface LinearBaseline {
  video?: number;
  skeleton?: number;
  both?: number;
}

/** Ridge strengths that are tried, relative to the mean of the kernel's diagonal. */
const STRENGTHS = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

/**
 * Test accuracy of ridge regression, one against all, on the raw input of each modality (pixels; joint positions
 * relative to the root joint in the first frame). It is solved in its dual form in float64, for there are many more
 * features than samples: K = X·Xᵀ of centred rows, (K + λ·I)·A = Y, scores = X'·Xᵀ·A. λ is the best on the
 * validation subjects; the reported model is fitted on training and validation subjects together. `onRow` is called now
 * and then and may throw to stop.
 */
export async function linearBaseline(
  dataset: ActionDataset,
  onRow: () => void | Promise<void> = () => {},
): Promise<LinearBaseline> {
  const { video, skeleton } = dataset;
  const out: LinearBaseline = {};
  const videoScores = video && (await ridgeScores(dataset, rows(video.data, dataset.samples), onRow));
  const skeletonScores = skeleton && (await ridgeScores(dataset, rootCentred(dataset), onRow));
  if (videoScores) out.video = accuracy(dataset, dataset.splits.test, videoScores);
  if (skeletonScores) out.skeleton = accuracy(dataset, dataset.splits.test, skeletonScores);
  if (videoScores && skeletonScores) {
    const sums = videoScores.map((row, i) => row.map((score, c) => score + skeletonScores[i]![c]!));
    out.both = accuracy(dataset, dataset.splits.test, sums);
  }
  return out;
}

/** Scores [test samples, classes] of the ridge model whose λ does best on the validation split. */
async function ridgeScores(
  dataset: ActionDataset,
  features: Float32Array[],
  onRow: () => void | Promise<void>,
): Promise<Float64Array[]> {
  const { train, validation, test } = dataset.splits;
  const all = [...train, ...validation];
  const centred = centre(features, all);
  const at = new Map(all.map((sample, i) => [sample, i]));
  const gram = await gramMatrix(centred, all, onRow);
  const select = (a: number[], b: number[]) =>
    a.map((i) => Float64Array.from(b, (j) => gram[at.get(i)!]![at.get(j)!]!));
  const inner = select(train, train);
  const cross = select(validation, train);
  const results = STRENGTHS.map((strength) =>
    accuracy(dataset, validation, predict(cross, fitRidge(inner, strength, targets(dataset, train)))),
  );
  const best = STRENGTHS[results.indexOf(Math.max(...results))]!;
  return predict(kernel(centred, test, all), fitRidge(gram, best, targets(dataset, all)));
}

/** Rows of features, one per sample. */
function rows(data: Uint8Array | Float32Array, samples: number): Float32Array[] {
  const size = data.length / samples;
  return Array.from({ length: samples }, (_, i) =>
    Float32Array.from(data.subarray(i * size, (i + 1) * size)),
  );
}

function rootCentred({ skeleton, samples }: ActionDataset): Float32Array[] {
  const root = skeleton!.parents.indexOf(-1) * 3;
  return rows(skeleton!.data, samples).map((row) => {
    const origin = row.slice(root, root + 3);
    return row.map((value, k) => value - origin[k % 3]!);
  });
}

function centre(features: Float32Array[], fit: number[]): Float32Array[] {
  const mean = new Float64Array(features[0]!.length);
  for (const i of fit) for (const [k, value] of features[i]!.entries()) mean[k]! += value / fit.length;
  return features.map((row) => row.map((value, k) => value - mean[k]!));
}

/** Inner products of rows `a` with rows `b`. */
function kernel(features: Float32Array[], a: number[], b: number[]): Float64Array[] {
  return a.map((i) => Float64Array.from(b, (j) => dot(features[i]!, features[j]!)));
}

/** The kernel of `samples` with themselves, half of which is a mirror image. */
async function gramMatrix(
  features: Float32Array[],
  samples: number[],
  onRow: () => void | Promise<void>,
): Promise<Float64Array[]> {
  const gram: Float64Array[] = [];
  for (const [row, i] of samples.entries()) {
    gram.push(kernel(features, [i], samples.slice(0, row + 1))[0]!);
    await onRow();
  }
  return gram.map((lower, i) => Float64Array.from(gram, (row, j) => (j <= i ? lower[j]! : row[i]!)));
}

/** Four sums, because one alone would wait for each addition. */
function dot(a: Float32Array, b: Float32Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = a.length - (a.length % 4);
  for (let k = 0; k < whole; k += 4) {
    s0 += a[k]! * b[k]!;
    s1 += a[k + 1]! * b[k + 1]!;
    s2 += a[k + 2]! * b[k + 2]!;
    s3 += a[k + 3]! * b[k + 3]!;
  }
  for (let k = whole; k < a.length; k++) s0 += a[k]! * b[k]!;
  return s0 + s1 + (s2 + s3);
}

/** One against all, centred so that no intercept is needed: 1 − 1/classes for the label, −1/classes otherwise. */
function targets({ labels, classes }: ActionDataset, samples: number[]): Float64Array[] {
  return samples.map((i) =>
    Float64Array.from(classes, (_, c) => Number(labels[i] === c) - 1 / classes.length),
  );
}

/** Solves (K + λ·I)·A = Y by Cholesky decomposition, λ being `strength` times the mean of K's diagonal. */
function fitRidge(gram: Float64Array[], strength: number, y: Float64Array[]): Float64Array[] {
  const lambda = (strength * gram.reduce((sum, row, i) => sum + row[i]!, 0)) / gram.length;
  const lower = cholesky(gram.map((row, i) => row.map((value, j) => value + (i === j ? lambda : 0))));
  const a = y.map((row) => row.slice());
  for (let i = 0; i < a.length; i++) eliminate(a, i, 0, i, lower[i]![i]!, (j) => lower[i]![j]!);
  for (let i = a.length - 1; i >= 0; i--)
    eliminate(a, i, i + 1, a.length, lower[i]![i]!, (j) => lower[j]![i]!);
  return a;
}

/** a[i] = (a[i] − Σ factor(j)·a[j]) / pivot over j in [from, to). */
function eliminate(
  a: Float64Array[],
  i: number,
  from: number,
  to: number,
  pivot: number,
  factor: (j: number) => number,
) {
  const row = a[i]!;
  for (let j = from; j < to; j++) {
    const f = factor(j);
    for (let c = 0; c < row.length; c++) row[c]! -= f * a[j]![c]!;
  }
  for (let c = 0; c < row.length; c++) row[c]! /= pivot;
}

/** The lower triangle L of K = L·Lᵀ. */
function cholesky(k: Float64Array[]): Float64Array[] {
  const lower = k.map((row) => new Float64Array(row.length));
  for (let i = 0; i < k.length; i++)
    for (let j = 0; j <= i; j++) {
      const [a, b] = [lower[i]!, lower[j]!];
      let sum = k[i]![j]!;
      for (let m = 0; m < j; m++) sum -= a[m]! * b[m]!;
      a[j] = i === j ? Math.sqrt(sum) : sum / b[j]!;
    }
  return lower;
}

function predict(cross: Float64Array[], a: Float64Array[]): Float64Array[] {
  return cross.map((weights) =>
    a[0]!.map((_, c) => weights.reduce((sum, weight, i) => sum + weight * a[i]![c]!, 0)),
  );
}

/** Share of samples whose largest score is their label's. */
function accuracy({ labels }: ActionDataset, samples: number[], scores: Float64Array[]): number {
  const right = samples.filter((i, row) => scores[row]!.indexOf(Math.max(...scores[row]!)) === labels[i]);
  return right.length / samples.length;
}
