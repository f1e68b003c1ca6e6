import { check } from '../errors.ts';
import { reshape } from '../kernels/layout.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Skeletons of M persons [N, M, T, V, C]; those of one person may come as [N, T, V, C]. Throws `ShapeError` for others. */
export function withPersons(network: string, x: Tensor, joints: number, channels: number): Tensor {
  const [rank, v, c] = [x.shape.length, x.shape.at(-2), x.shape.at(-1)];
  check(
    (rank === 4 || rank === 5) && v === joints && c === channels,
    network,
    () =>
      `needs skeletons [N, T, V, C] or [N, persons, T, V, C] with V = ${joints}, C = ${channels}; got ${formatShape(x.shape)}`,
  );
  return rank === 5 ? x : reshape(x, [x.shape[0] ?? 0, 1, ...x.shape.slice(1)]);
}

/** Runs `each` with all persons as samples of one batch: [N, M, …] → [N, M, …']. */
export function perPerson(x: Tensor, each: (x: Tensor) => Tensor): Tensor {
  const [n = 0, persons = 0, ...rest] = x.shape;
  const y = each(reshape(x, [n * persons, ...rest]));
  return reshape(y, [n, persons, ...y.shape.slice(1)]);
}
