// Convolutions and products of matrices, at the sizes of networks they occur in.
import { channelMatmul } from '../../src/kernels/channel-matmul.ts';
import { type ConvOptions, conv1d, conv2d, conv3d } from '../../src/kernels/conv.ts';
import { graphConv } from '../../src/kernels/graph-conv.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sizeOf } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type BenchCase, workload } from '../case.ts';

type Shape = readonly number[];

const CONVOLUTIONS = { 3: conv1d, 4: conv2d, 5: conv3d };

function product(name: string, a: Shape, b: Shape, heavy = false): BenchCase {
  const [n = 1, k = 1] = [b.at(-1), a.at(-1)];
  const out = sizeOf(a.slice(0, -1)) * n;
  return workload(name, {
    inputs: { a, b },
    op: (x) => matmul(x.a, x.b),
    flops: 2 * out * k,
    writes: 4 * out,
    wrt: ['a', 'b'],
    gradFlops: 6 * out * k,
    heavy,
  });
}

/** x [N, ..., C], w [..., C / groups, O], padded to keep the size but for the stride. */
function convolution(name: string, x: Shape, w: Shape, options: ConvOptions = {}): BenchCase {
  const stride = (options.stride ?? 1) as number;
  const output = x.slice(1, -1).map((size) => Math.ceil(size / stride));
  const out = (x[0] ?? 0) * sizeOf(output) * (w.at(-1) ?? 0);
  const flops = 2 * out * sizeOf(w.slice(0, -1));
  const conv = CONVOLUTIONS[x.length as 3 | 4 | 5];
  return workload(name, {
    inputs: { x, w },
    op: (t) => conv(t.x, t.w, { padding: 'same', ...options }),
    ...{ flops, writes: 4 * out, wrt: ['x', 'w'], gradFlops: 3 * flops },
  });
}

/** x [N, T, V, C] with P partitions to O channels; counted is the cheaper of both orders. */
function graph(name: string, x: Shape, partitions: number, filters: number): BenchCase {
  const [n = 0, t = 0, v = 0, c = 0] = x;
  const [rows, narrow] = [n * t * v, Math.min(c, filters)];
  const transform = 2 * rows * partitions * c * filters;
  const aggregate = 2 * rows * partitions * v * narrow;
  return workload(name, {
    inputs: { x, w: [partitions, c, filters], adjacency: [partitions, v, v] },
    op: (i) => graphConv(i.x, i.w, i.adjacency),
    ...{ flops: transform + aggregate, writes: 4 * rows * filters, wrt: ['x', 'w'] },
    gradFlops: 3 * transform + 2 * aggregate,
  });
}

/** A linear layer over the last axis, transposed as its input gradient is. */
function transposed(name: string, a: Shape, b: Shape): BenchCase {
  const [m = 1, k = 1, n = 1] = [a[0], a[1], b[0]];
  return workload(name, {
    inputs: { a, b },
    op: (x: { a: Tensor; b: Tensor }) => matmul(x.a, x.b, { transposeB: true }),
    ...{ flops: 2 * m * n * k, writes: 4 * m * n },
  });
}

export const matmuls: readonly BenchCase[] = [
  product('square.matmul512', [512, 512], [512, 512]),
  product('square.matmul1024', [1024, 1024], [1024, 1024]),
  product('square.matmul4096', [4096, 4096], [4096, 4096], true),
  product('attention.scores', [16, 256, 64], [16, 64, 256]),
  product('transformer.ffn', [2048, 256], [256, 1024]),
  product('resnet18.head', [64, 512], [512, 1000]),
  product('gemv', [1, 4096], [4096, 4096]),
  transposed('transformer.ffn.inputGrad', [2048, 1024], [256, 1024]),
];

export const convolutions: readonly BenchCase[] = [
  convolution('resnet18.stem.conv7x7', [2, 224, 224, 3], [7, 7, 3, 64], { stride: 2, padding: 3 }),
  convolution('resnet18.layer1.conv3x3', [8, 56, 56, 64], [3, 3, 64, 64]),
  convolution('resnet18.layer2.conv3x3', [8, 28, 28, 128], [3, 3, 128, 128]),
  convolution('resnet18.layer3.conv3x3', [8, 14, 14, 256], [3, 3, 256, 256]),
  convolution('resnet18.layer4.conv3x3', [8, 7, 7, 512], [3, 3, 512, 512]),
  convolution('resnet18.layer2.conv3x3s2', [8, 56, 56, 64], [3, 3, 64, 128], { stride: 2 }),
  convolution('resnet50.layer1.conv1x1', [4, 56, 56, 64], [1, 1, 64, 256]),
  convolution('mobilenet.depthwise3x3', [8, 56, 56, 128], [3, 3, 1, 128], { groups: 128 }),
  convolution('r3d18.layer1.conv3x3x3', [1, 8, 28, 28, 32], [3, 3, 3, 32, 32]),
  convolution('temporal.conv1d9', [16, 256, 64], [9, 64, 128]),
  convolution('stgcn.temporal', [16, 64, 25, 64], [9, 1, 64, 64]),
];

export const graphConvolutions: readonly BenchCase[] = [
  graph('stgcn.graphconv', [16, 64, 25, 64], 3, 64),
  graph('stgcn.graphconv.first', [16, 64, 25, 3], 3, 64),
];

/** x [N, T, V, C] gathered by a topology [N, V, V, C] of each sample and channel. */
function aggregation(name: string, x: Shape): BenchCase {
  const [n = 0, t = 0, v = 0, c = 0] = x;
  const flops = 2 * n * t * v * v * c;
  return workload(name, {
    inputs: { x, topology: [n, v, v, c] },
    op: (i) => channelMatmul(i.x, i.topology, { transposeB: true }),
    ...{ flops, writes: 4 * n * t * v * c, wrt: ['x', 'topology'], gradFlops: 3 * flops },
  });
}

export const channelMatmuls: readonly BenchCase[] = [
  aggregation('ctrgcn.unit1.aggregate', [8, 64, 25, 64]),
  aggregation('ctrgcn.unit8.aggregate', [8, 16, 25, 256]),
];
