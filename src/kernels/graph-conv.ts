import { check } from '../errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { reshape, transpose } from './layout.ts';
import { checkBias, matmul } from './matmul.ts';
import { checkFloats, checkTensors } from './op.ts';

export interface GraphConvOptions {
  /** [O], added to each output. */
  readonly bias?: Tensor | undefined;
}

interface GraphConvShape {
  readonly batch: number;
  readonly frames: number;
  readonly joints: number;
  readonly partitions: number;
  readonly channels: number;
  readonly filters: number;
}

/** The shape rule. */
function graphConvShape(x: Tensor, w: Tensor, adjacency: Tensor, bias: Tensor | undefined): GraphConvShape {
  checkFloats('graphConv', { x, w, adjacency });
  const [batch = 0, frames = 0, joints = 0, channels = 0] = x.shape;
  const [partitions = 0, wChannels, filters = 0] = w.shape;
  const ranks = x.shape.length === 4 && w.shape.length === 3 && adjacency.shape.length === 3;
  const fits =
    ranks &&
    wChannels === channels &&
    formatShape(adjacency.shape) === formatShape([partitions, joints, joints]);
  check(
    fits,
    'graphConv',
    () =>
      `x, w and adjacency must be [N, T, V, C], [P, C, O] and [P, V, V]; got ${formatShape(x.shape)}, ` +
      `${formatShape(w.shape)} and ${formatShape(adjacency.shape)}`,
  );
  if (bias) checkBias('graphConv', bias, filters);
  return { batch, frames, joints, partitions, channels, filters };
}

/**
 * Spatial graph convolution: `y[n, t, v, o] = Σ_p Σ_u A[p, u, v] Σ_c x[n, t, u, c] · w[p, c, o] + bias[o]`.
 * x [N, T, V, C], w [P, C, O], adjacency A [P, V, V] → [N, T, V, O]. A[p, u, v] is what joint u sends to joint v in
 * partition p, so that the columns of A D⁻¹ add up to one over the partitions and y is a mean over neighbours
 * (Yan et al. 2018, arXiv:1801.07455, section 3). Each of the two sums is one product of matrices; the one that leaves
 * fewer channels goes first. Differentiable in all four tensors, to any order.
 * Throws `ShapeError` where dimensions do not fit together.
 */
export function graphConv(x: Tensor, w: Tensor, adjacency: Tensor, options: GraphConvOptions = {}): Tensor {
  checkTensors('graphConv', { x, w, adjacency });
  const shape = graphConvShape(x, w, adjacency, options.bias);
  return shape.channels <= shape.filters
    ? aggregateFirst(x, w, adjacency, shape, options.bias)
    : transformFirst(x, w, adjacency, shape, options.bias);
}

/** For each frame [(v, p), u] · [u, c], whose result is [v, (p, c)] as it lies in memory; then [(p, c), o]. */
function aggregateFirst(
  x: Tensor,
  w: Tensor,
  adjacency: Tensor,
  { batch, frames, joints, partitions, channels, filters }: GraphConvShape,
  bias: Tensor | undefined,
): Tensor {
  const receive = reshape(transpose(adjacency, [2, 0, 1]), [joints * partitions, joints]);
  const gathered = matmul(receive, reshape(x, [batch * frames, joints, channels]));
  const rows = reshape(gathered, [batch * frames * joints, partitions * channels]);
  const y = matmul(rows, reshape(w, [partitions * channels, filters]), { bias });
  return reshape(y, [batch, frames, joints, filters]);
}

/** [c, (p, o)] first, whose result is [(u, p), o] for each frame; then [v, (u, p)] · [(u, p), o]. */
function transformFirst(
  x: Tensor,
  w: Tensor,
  adjacency: Tensor,
  { batch, frames, joints, partitions, channels, filters }: GraphConvShape,
  bias: Tensor | undefined,
): Tensor {
  const flat = reshape(transpose(w, [1, 0, 2]), [channels, partitions * filters]);
  const sent = matmul(reshape(x, [batch * frames * joints, channels]), flat);
  const receive = reshape(transpose(adjacency, [2, 1, 0]), [joints, joints * partitions]);
  const frameShape = [batch * frames, joints * partitions, filters];
  const y = matmul(receive, reshape(sent, frameShape), { bias });
  return reshape(y, [batch, frames, joints, filters]);
}
