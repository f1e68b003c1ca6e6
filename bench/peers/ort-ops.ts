import { channelsFirst, inverse, paddingOf, sizeOf } from './inputs.ts';
import type { OnnxGraph, Value as V } from './onnx.ts';
import { ADAMW, EPSILON, type Geometry, type Norm, type Ops } from './workload.ts';

type Operands = readonly [V, V];

/**
 * The ops of the workloads as nodes of an ONNX graph. Images stay channels last and are transposed around nodes that
 * want channels first: ONNX Runtime computes with channels last itself, and takes out transposes that cancel.
 */
export function ortOps(graph: OnnxGraph, { fusedAttention }: { fusedAttention: boolean }): Ops<V> {
  const binary = (op: string) => (a: V, b: V) => graph.node(op, [a, b], longer([a, b]));
  const add = binary('Add');
  const mul = binary('Mul');
  return {
    add,
    mul,
    relu: (x) => graph.node('Relu', [x], x.shape),
    sum: (x) => graph.node('ReduceSum', [x], [], { keepdims: 0 }),
    matmul: (a, b) => matmul(graph, a, b),
    linear: (x, w, bias) => graph.node('Gemm', [x, w, bias], [x.shape[0]!, w.shape[1]!]),
    conv: (x, w, geometry) => convolve(graph, x, w, geometry),
    softmax: (x) => graph.node('Softmax', [x], x.shape, { axis: -1 }),
    layerNorm: (x, gamma, beta) =>
      graph.node('LayerNormalization', [x, gamma, beta], x.shape, { axis: -1, epsilon: { float: EPSILON } }),
    batchNorm: (x, { gamma, beta, mean, variance }: Norm<V>) =>
      channelsFirstly(graph, x, x.shape, (first, shape) => {
        const inputs = [first, gamma, beta, mean, variance];
        return graph.node('BatchNormalization', inputs, shape, { epsilon: { float: EPSILON } });
      }),
    batchNormTraining(x, gamma, beta) {
      const centred = binary('Sub')(x, mean(graph, x));
      const variance = mean(graph, mul(centred, centred));
      const deviation = graph.node('Sqrt', [add(variance, graph.scalar(EPSILON))], variance.shape);
      return add(mul(binary('Div')(centred, deviation), gamma), beta);
    },
    attention: (q, k, v) => (fusedAttention ? fused(graph, q, k, v) : composed(graph, q, k, v)),
    graphConv: (x, w, adjacency) => graphConv(graph, x, w, adjacency),
    maxPool: (x) => maxPool(graph, x),
    globalAvgPool(x) {
      const axes = Array.from({ length: x.shape.length - 2 }, (_, i) => i + 1);
      return graph.node('ReduceMean', [x], [x.shape[0]!, x.shape.at(-1)!], { axes, keepdims: 0 });
    },
    crossEntropy(logits, labels) {
      const column = [logits.shape[0]!, 1];
      const total = graph.node('ReduceLogSumExp', [logits], column, { axes: [1], keepdims: 1 });
      const chosen = graph.node('GatherElements', [logits, graph.reshape(labels, column)], column, {
        axis: 1,
      });
      return graph.node('ReduceMean', [binary('Sub')(total, chosen)], [], { keepdims: 0 });
    },
    adamw: (state) => adamw(graph, state),
  };
}

/** The shape of an elementwise result, where one operand's shape is that of the result. */
function longer([a, b]: Operands): readonly number[] {
  return sizeOf(b.shape) > sizeOf(a.shape) ? b.shape : a.shape;
}

function matmul(graph: OnnxGraph, a: V, b: V): V {
  const batch = a.shape.length >= b.shape.length ? a.shape : b.shape;
  return graph.node('MatMul', [a, b], [...batch.slice(0, -2), a.shape.at(-2)!, b.shape.at(-1)!]);
}

/** Calls `make` with x as [N, C, …], and brings its result of `shape` [N, …, C] back to channels last. */
function channelsFirstly(
  graph: OnnxGraph,
  x: V,
  shape: readonly number[],
  make: (x: V, shape: readonly number[]) => V,
): V {
  const order = channelsFirst(shape.length, 'image');
  const first = make(
    graph.transpose(x, order),
    order.map((axis) => shape[axis]!),
  );
  return graph.transpose(first, inverse(order));
}

/** w is [O, C/groups, K…]. */
function convolve(graph: OnnxGraph, x: V, w: V, geometry: Geometry): V {
  const { stride, groups = 1 } = geometry;
  const kernel = w.shape.slice(2);
  const pads = kernel.map((size) => paddingOf(geometry, size));
  const sizes = kernel.map((k, i) => Math.floor((x.shape[i + 1]! + 2 * pads[i]! - k) / stride) + 1);
  const strides = kernel.map(() => stride);
  const attributes = { kernel_shape: kernel, strides, pads: [...pads, ...pads], group: groups };
  return channelsFirstly(graph, x, [x.shape[0]!, ...sizes, w.shape[0]!], (first, shape) =>
    graph.node('Conv', [first, w], shape, attributes),
  );
}

function maxPool(graph: OnnxGraph, x: V): V {
  const [n, height, width, channels] = x.shape as [number, number, number, number];
  const half = (size: number) => Math.floor((size - 1) / 2) + 1;
  const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
  return channelsFirstly(graph, x, [n, half(height), half(width), channels], (first, shape) =>
    graph.node('MaxPool', [first], shape, attributes),
  );
}

/** Over all axes but the last, which are kept. */
function mean(graph: OnnxGraph, x: V): V {
  const axes = x.shape.slice(1).map((_, axis) => axis);
  return graph.node('ReduceMean', [x], [...axes.map(() => 1), x.shape.at(-1)!], { axes, keepdims: 1 });
}

function fused(graph: OnnxGraph, q: V, k: V, v: V): V {
  const [n, , heads, width] = q.shape as [number, number, number, number];
  const flat = [q, k, v].map((x) => graph.reshape(x, [n, x.shape[1]!, heads * width]));
  const attributes = { num_heads: heads };
  const y = graph.node('MultiHeadAttention', flat, flat[0]!.shape, attributes, 'com.microsoft');
  return graph.reshape(y, q.shape);
}

function composed(graph: OnnxGraph, q: V, k: V, v: V): V {
  const qs = graph.transpose(q, [0, 2, 1, 3]);
  const scores = matmul(graph, qs, graph.transpose(k, [0, 2, 3, 1]));
  const scale = graph.scalar(1 / Math.sqrt(q.shape[3]!));
  const scaled = graph.node('Mul', [scores, scale], scores.shape);
  const weights = graph.node('Softmax', [scaled], scores.shape, { axis: -1 });
  return graph.transpose(matmul(graph, weights, graph.transpose(v, [0, 2, 1, 3])), [0, 2, 1, 3]);
}

/** For each frame [(v, p), u] · [u, c], then [(p, c), o]: no tensor of the size of x is transposed. */
function graphConv(graph: OnnxGraph, x: V, w: V, adjacency: V): V {
  const [n, frames, joints, channels] = x.shape as [number, number, number, number];
  const [partitions, , filters] = w.shape as [number, number, number];
  const links = graph.reshape(graph.transpose(adjacency, [2, 0, 1]), [joints * partitions, joints]);
  const gathered = matmul(graph, links, graph.reshape(x, [n * frames, joints, channels]));
  const rows = graph.reshape(gathered, [n * frames * joints, partitions * channels]);
  const product = matmul(graph, rows, graph.reshape(w, [partitions * channels, filters]));
  return graph.reshape(product, [n, frames, joints, filters]);
}

function adamw(graph: OnnxGraph, { param, grad, mean, square }: Parameters<Ops<V>['adamw']>[0]) {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step } = ADAMW;
  const of = (op: string, ...inputs: V[]) => graph.node(op, inputs, param.shape);
  const scaled = (x: V, by: number) => of('Mul', x, graph.scalar(by));
  const m = of('Add', scaled(mean, beta1), scaled(grad, 1 - beta1));
  const v = of('Add', scaled(square, beta2), scaled(of('Mul', grad, grad), 1 - beta2));
  const root = of('Add', scaled(of('Sqrt', v), 1 / Math.sqrt(1 - beta2 ** step)), graph.scalar(epsilon));
  const change = scaled(of('Div', m, root), learningRate / (1 - beta1 ** step));
  return { param: of('Sub', scaled(param, 1 - learningRate * weightDecay), change), mean: m, square: v };
}
