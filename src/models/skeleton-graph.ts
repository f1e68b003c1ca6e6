import { ShapeError } from '../errors.ts';
import { checkKnown } from './checks.ts';

/**
 * Parents of the 25 joints of NTU RGB+D (Kinect v2), counted from 0, with joint 21, the spine at the shoulders, as root:
 * the edges of the public code of ST-GCN and CTR-GCN.
 */
export const NTU_PARENTS: readonly number[] = [
  1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, -1, 22, 7, 24, 11,
];

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
 * How the neighbours of a joint are told apart, each kind with weights of its own (Yan et al. 2018, section 3.3).
 * `uniform`: not at all. `distance`: itself / its neighbours. `spatial`: itself / nearer to the centre / farther, by true
 * graph distance. `mmskeleton`: what the public code of ST-GCN makes of `spatial`: beyond one hop from the centre its
 * distances are infinite, so that there all neighbours fall together, with those farther away.
 */
export type PartitionStrategy = 'uniform' | 'distance' | 'spatial' | 'mmskeleton';

/** A partition by the hops of source u and target v from the centre. */
interface Partitioning {
  readonly count: number;
  readonly of: (self: boolean, source: number, target: number) => number;
}

const PARTITIONINGS: Readonly<Record<PartitionStrategy, Partitioning>> = {
  uniform: { count: 1, of: () => 0 },
  distance: { count: 2, of: (self) => (self ? 0 : 1) },
  spatial: { count: PARTITIONS, of: (self, source, target) => (self ? 0 : source < target ? 1 : 2) },
  mmskeleton: {
    count: PARTITIONS,
    of: (self, source, target) => (self ? 0 : within(source) >= within(target) ? 1 : 2),
  },
};

function within(hops: number): number {
  return hops > 1 ? Number.POSITIVE_INFINITY : hops;
}

/**
 * Adjacency by partition, [K, V, V] row-major with `A[k, u, v]` the weight of what joint u sends to joint v:
 * `Â = A·D⁻¹` with self links, so that each joint v receives a mean (over k and u, `A[k, u, v]` adds up to 1), split into
 * the K = 1, 2 or 3 kinds of neighbours of `strategy`. Throws `ShapeError` when `parents` is no tree or `centre` is no
 * joint.
 */
export function skeletonPartition(
  parents: readonly number[],
  centre: number,
  strategy: PartitionStrategy,
): Float32Array<ArrayBuffer> {
  const joints = parents.length;
  const hops = hopDistances(parents);
  const fromCentre = checkTree(parents, hops[centre], centre);
  checkKnown('skeletonPartition', 'strategy', strategy, PARTITIONINGS);
  const partition = PARTITIONINGS[strategy];
  const adjacency = new Float32Array(partition.count * joints * joints);
  for (let v = 0; v < joints; v++) {
    const links = hops[v]?.filter((hop) => hop <= 1).length ?? 1;
    for (let u = 0; u < joints; u++) {
      if ((hops[u]?.[v] ?? 2) > 1) continue;
      const k = partition.of(u === v, fromCentre[u] ?? 0, fromCentre[v] ?? 0);
      adjacency[(k * joints + u) * joints + v] = 1 / links;
    }
  }
  return adjacency;
}

/** `skeletonPartition` by `spatial`: itself / nearer to `centre` / farther, [3, V, V]. */
export function spatialPartition(parents: readonly number[], centre: number): Float32Array<ArrayBuffer> {
  return skeletonPartition(parents, centre, 'spatial');
}

function checkTree(
  parents: readonly number[],
  fromCentre: readonly number[] | undefined,
  centre: number,
): readonly number[] {
  if (!fromCentre)
    throw new ShapeError('spatialPartition', `centre must be one of ${parents.length} joints; got ${centre}`);
  // One root, a parent for every other joint and all connected: no loop is left.
  const roots = parents.filter((parent) => parent < 0).length;
  if (roots !== 1 || fromCentre.some((hop) => !Number.isFinite(hop))) {
    throw new ShapeError(
      'spatialPartition',
      `parents must form one connected tree with -1 for its root; got ${parents}`,
    );
  }
  return fromCentre;
}

/**
 * Adjacency by direction, [3, V, V] row-major with `A[k, u, v]` the weight of what joint u receives from joint v: itself /
 * from its children / from its parent, each column of a partition adding up to 1 or 0 (CTR-GCN, Chen et al. 2021, after
 * 2s-AGCN). Throws `ShapeError` when `parents` is no tree.
 */
export function directedPartition(parents: readonly number[]): Float32Array<ArrayBuffer> {
  const joints = parents.length;
  const root = parents.indexOf(-1);
  checkTree(parents, hopDistances(parents)[root], root);
  const adjacency = new Float32Array(PARTITIONS * joints * joints);
  const children = parents.map((_, v) => parents.filter((parent) => parent === v).length);
  for (const [v, parent] of parents.entries()) {
    adjacency[v * joints + v] = 1;
    if (parent < 0) continue;
    adjacency[(joints + parent) * joints + v] = 1;
    adjacency[(2 * joints + v) * joints + parent] = 1 / (children[parent] ?? 1);
  }
  return adjacency;
}

/** The joint with the least sum of distances to the others: the natural centre of an unknown skeleton. */
export function centreOf(parents: readonly number[]): number {
  const sums = hopDistances(parents).map((row) => row.reduce((a, b) => a + b, 0));
  return sums.indexOf(Math.min(...sums));
}
