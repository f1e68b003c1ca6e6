import type { Traits } from '../tensor/device.ts';

/** Threads of a workgroup in the kernels where a subgroup has a row: whole subgroups of any size WebGPU knows. */
const THREADS = 128;

/** Shorter rows leave most lanes idle, longer ones are better shared by a workgroup. */
const SHORTEST = 32;
const LONGEST = 8192;

/** `variants` with `subgroup` among them where rows of `n` elements are whole vectors: first on a GPU, for rows of middling length. */
export function withSubgroup<V extends string>(
  variants: readonly [V, ...V[]],
  n: number,
  { software, subgroups }: Pick<Traits, 'software' | 'subgroups'>,
): [V | 'subgroup', ...(V | 'subgroup')[]] {
  if (!subgroups || n % 4 !== 0) return [...variants];
  return !software && n > SHORTEST && n <= LONGEST ? ['subgroup', ...variants] : [...variants, 'subgroup'];
}

/** Workgroups that give each subgroup at least one row, or more where an adapter's subgroups may be smaller than its largest. */
export function subgroupGroups(rows: number, { subgroupMaxSize }: Pick<Traits, 'subgroupMaxSize'>): number {
  return Math.ceil((rows * Math.min(subgroupMaxSize, THREADS)) / THREADS);
}
