import { ShapeError } from '../errors.ts';

/** Partitions of the neighbourhood of a joint: itself, neighbours nearer to the centre, neighbours farther away. */
export const PARTITIONS = 3;

/** Hops between every pair of joints of the tree given by `parents` (−1 for the root): [V][V]. */
export function hopDistances(parents: readonly number[]): number[][] {
  const neighbours = parents.map((_, v) =>
    parents.flatMap((p, u) => (p === v || parents[v] === u ? [u] : [])),
  );
  return parents.map((_, start) => {
    const hops = new Array<number>(parents.length).fill(Number.POSITIVE_INFINITY);
    hops[start] = 0;
    const queue = [start];
    for (let v = queue.shift(); v !== undefined; v = queue.shift()) {
      for (const u of neighbours[v] ?? []) {
        if (hops[u] !== Number.POSITIVE_INFINITY) continue;
        hops[u] = (hops[v] ?? 0) + 1;
        queue.push(u);
      }
    }
    return hops;
  });
}

/**
 * Adjacency by spatial partition, [3, V, V] row-major with `A[p, u, v]` the weight of what joint u sends to joint v:
 * `Â = A·D⁻¹` with self links, so that each joint v receives a mean (over p and u, `A[p, u, v]` adds up to 1), split into
 * v itself / u nearer to `centre` than v / u farther, by true graph distance (Yan et al. 2018, section 3.3).
 * Throws `ShapeError` when `parents` is no tree or `centre` is no joint.
 */
export function spatialPartition(parents: readonly number[], centre: number): Float32Array<ArrayBuffer> {
  const joints = parents.length;
  const hops = hopDistances(parents);
  const fromCentre = hops[centre];
  if (!fromCentre)
    throw new ShapeError('spatialPartition', `centre must be one of ${joints} joints; got ${centre}`);
  // One root, a parent for every other joint and all connected: no loop is left.
  const roots = parents.filter((parent) => parent < 0).length;
  if (roots !== 1 || fromCentre.some((hop) => !Number.isFinite(hop))) {
    throw new ShapeError(
      'spatialPartition',
      `parents must form one connected tree with -1 for its root; got ${parents}`,
    );
  }
  const adjacency = new Float32Array(PARTITIONS * joints * joints);
  for (let v = 0; v < joints; v++) {
    const links = hops[v]?.filter((hop) => hop <= 1).length ?? 1;
    for (let u = 0; u < joints; u++) {
      if ((hops[u]?.[v] ?? 2) > 1) continue;
      const partition = partitionOf(fromCentre[u] ?? 0, fromCentre[v] ?? 0);
      adjacency[(partition * joints + u) * joints + v] = 1 / links;
    }
  }
  return adjacency;
}

function partitionOf(source: number, target: number): number {
  if (source === target) return 0;
  return source < target ? 1 : 2;
}

/** The joint with the least sum of distances to the others: the natural centre of an unknown skeleton. */
export function centreOf(parents: readonly number[]): number {
  const sums = hopDistances(parents).map((row) => row.reduce((a, b) => a + b, 0));
  return sums.indexOf(Math.min(...sums));
}
