// What works on rows and elements, where memory is the bound.
import { add, gelu, mul, relu } from '../../src/kernels/elementwise.ts';
import { transpose } from '../../src/kernels/layout.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { batchNorm, batchNormInference, layerNorm } from '../../src/kernels/norm.ts';
import { globalAvgPool, maxPool2d } from '../../src/kernels/pool.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { softmax } from '../../src/kernels/softmax.ts';
import { adamwUpdate } from '../../src/kernels/update.ts';
import { sizeOf } from '../../src/tensor/shape.ts';
import { type BenchCase, workload } from '../case.ts';

const M16 = 2 ** 24;
const MAP = [8, 56, 56, 64] as const;
const ROWS = [4096, 1024] as const;
const channels = { gamma: [MAP[3]], beta: [MAP[3]] };
const bytesOf = (shape: readonly number[]) => 4 * sizeOf(shape);

export const elementwise: readonly BenchCase[] = [
  workload('elementwise.relu16M', {
    inputs: { a: [M16], b: [M16] },
    op: (x) => relu(add(x.a, x.b)),
    writes: 12 * M16, // the sum written and read, and its relu
    wrt: ['a', 'b'],
  }),
  workload('residual.add', { inputs: { a: MAP, b: MAP }, op: (x) => add(x.a, x.b), writes: bytesOf(MAP) }),
  workload('channel.scale', {
    inputs: { x: MAP, scale: [MAP[3]] },
    op: (t) => mul(t.x, t.scale),
    ...{ writes: bytesOf(MAP), wrt: ['x', 'scale'] },
  }),
  workload('transformer.gelu', {
    inputs: { x: [2048, 1024] },
    op: ({ x }) => gelu(x),
    ...{ writes: bytesOf([2048, 1024]), wrt: ['x'] },
  }),
];

export const reductions: readonly BenchCase[] = [
  workload('reduce.sum16M', { inputs: { x: [M16] }, op: ({ x }) => sum(x), writes: 4 }),
  workload('reduce.rows', {
    inputs: { x: ROWS },
    op: ({ x }) => sum(x, { axes: -1 }),
    writes: 4 * ROWS[0],
  }),
  workload('reduce.columns', {
    inputs: { x: ROWS },
    op: ({ x }) => sum(x, { axes: 0 }),
    writes: 4 * ROWS[1],
  }),
];

export const softmaxes: readonly BenchCase[] = [
  workload('softmax.4096x1024', {
    inputs: { x: ROWS },
    op: ({ x }) => softmax(x),
    ...{ writes: bytesOf(ROWS), wrt: ['x'] },
  }),
];

export const norms: readonly BenchCase[] = [
  workload('transformer.layernorm', {
    inputs: { x: ROWS, gamma: [ROWS[1]], beta: [ROWS[1]] },
    op: ({ x, gamma, beta }) => layerNorm(x, gamma, beta),
    ...{ writes: bytesOf(ROWS), wrt: ['x', 'gamma', 'beta'] },
  }),
  workload('resnet18.layer1.batchnorm', {
    inputs: { x: MAP, ...channels, mean: [MAP[3]], variance: { shape: [MAP[3]], uniform: true } },
    op: ({ x, gamma, beta, mean, variance }) => batchNormInference(x, mean, variance, gamma, beta, {}),
    ...{ writes: bytesOf(MAP), wrt: ['x'] },
  }),
  workload('resnet18.layer1.batchnorm.training', {
    inputs: { x: MAP, ...channels },
    op: ({ x, gamma, beta }) => Object.values(batchNorm(x, gamma, beta, {})),
    ...{ writes: 2 * bytesOf(MAP), wrt: ['x', 'gamma', 'beta'] }, // x is read again
  }),
];

export const layouts: readonly BenchCase[] = [
  workload('attention.transpose', {
    inputs: { x: [8, 256, 8, 64] },
    op: ({ x }) => transpose(x, [0, 2, 1, 3]),
    ...{ writes: bytesOf([8, 256, 8, 64]) },
  }),
];

export const pools: readonly BenchCase[] = [
  workload('resnet18.stem.maxpool', {
    inputs: { x: [8, 112, 112, 64] },
    op: ({ x }) => maxPool2d(x, { size: 3, stride: 2, padding: 1 }),
    ...{ writes: bytesOf(MAP), wrt: ['x'] },
  }),
  workload('resnet18.globalpool', {
    inputs: { x: MAP },
    op: ({ x }) => globalAvgPool(x),
    ...{ writes: 4 * 8 * 64, wrt: ['x'] },
  }),
];

export const losses: readonly BenchCase[] = [
  workload('imagenet.crossentropy', {
    inputs: { logits: [4096, 1000], labels: { shape: [4096], below: 1000 } },
    op: ({ logits, labels }) => crossEntropy(logits, labels),
    ...{ writes: 4, wrt: ['logits'] },
  }),
];

const P10M = [10_000_000];
export const updates: readonly BenchCase[] = [
  workload('adamw.10M', {
    inputs: { param: P10M, grad: P10M, m: P10M, v: { shape: P10M, uniform: true } },
    op: ({ param, grad, m, v }) => adamwUpdate(param, grad, m, v, { learningRate: 1e-6, step: 1 }),
    writes: 3 * bytesOf(P10M),
  }),
];
