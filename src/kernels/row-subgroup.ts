import type { Traits } from '../tensor/device.ts';

/** Threads of a workgroup in the kernels where a subgroup has a row: whole subgroups of any size WebGPU knows. */
const THREADS = 128;

/** Shorter rows leave most lanes idle. */
export const SHORTEST_ROW = 33;
/** Longer ones, and few of them, are better shared by a workgroup. */
const LONGEST_ROW = 8192;
const FEWEST_ROWS = 64;

interface Rows {
  readonly rows: number;
  /** Elements of a row. */
  readonly n: number;
}

/** `variants` with `subgroup` among them where rows are whole vectors: first on a GPU, for many rows of middling length. */
export function withSubgroup<V extends string>(
  variants: readonly [V, ...V[]],
  { rows, n }: Rows,
  { software, subgroups }: Pick<Traits, 'software' | 'subgroups'>,
): [V | 'subgroup', ...(V | 'subgroup')[]] {
  if (!subgroups || n % 4 !== 0) return [...variants];
  const fitting = n >= SHORTEST_ROW && n <= LONGEST_ROW && rows >= FEWEST_ROWS;
  return !software && fitting ? ['subgroup', ...variants] : [...variants, 'subgroup'];
}

/** Workgroups that give each row a subgroup, however small these are; some are left over where they are smaller. */
export function subgroupGroups(rows: number, traits: Pick<Traits, 'subgroupMaxSize'>): number {
  return Math.ceil((rows * largestSubgroup(traits)) / THREADS);
}

/** Lanes of a subgroup, at most. */
export function largestSubgroup({ subgroupMaxSize }: Pick<Traits, 'subgroupMaxSize'>): number {
  return Math.min(subgroupMaxSize, THREADS);
}

/** The shader's params. */
export function rowParams(
  { rows, n }: Rows,
  more: { readonly zeroEmpty?: number; readonly epsilon?: number } = {},
) {
  return { rows, quads: n / 4, zeroEmpty: 0, hasGamma: 0, hasBeta: 0, epsilon: 0, ...more };
}
