import type { Module } from '../../src/nn/module.ts';

/** Weights by name, as numbers. */
export type Weights = ReadonlyMap<string, ArrayLike<number>>;

/** Downloads the parameters of a module. */
export async function readWeights(module: Module): Promise<Weights> {
  const pairs = [...module.namedParameters()].map(async ([name, t]) => [name, await t.read()] as const);
  return new Map(await Promise.all(pairs));
}

/** The weights of a child, under its own names. */
export function child(weights: Weights, name: string): Weights {
  const prefix = `${name}.`;
  return new Map(
    [...weights].flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

/** `x W + b` for one row. */
export function linear(
  x: readonly number[],
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
): number[] {
  const out = weight.length / x.length;
  return Array.from({ length: out }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * (weight[i * out + o] ?? 0), bias?.[o] ?? 0),
  );
}

/** The layer of this name in `weights`, for one row. */
export function linearNamed(x: readonly number[], weights: Weights, name: string): number[] {
  return linear(x, weights.get(`${name}.weight`) ?? [], weights.get(`${name}.bias`));
}

export function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** Self-attention over the rows of one sample: [L][width] → [L][width]. */
export function multiHeadAttention(
  rows: readonly (readonly number[])[],
  weights: Weights,
  heads: number,
): number[][] {
  const [q, k, v] = ['query', 'key', 'value'].map((name) =>
    rows.map((row) => linearNamed(row, weights, name)),
  );
  const size = (rows[0]?.length ?? 0) / heads;
  const mixed = (q ?? []).map((query) =>
    Array.from({ length: heads }, (_, h) => {
      const part = (row: readonly number[]) => row.slice(h * size, (h + 1) * size);
      const score = (key: readonly number[]) =>
        part(query).reduce((sum, value, i) => sum + value * (part(key)[i] ?? 0), 0) / Math.sqrt(size);
      const shares = softmax((k ?? []).map(score));
      return Array.from({ length: size }, (_, d) =>
        (v ?? []).reduce((sum, value, l) => sum + (shares[l] ?? 0) * (part(value)[d] ?? 0), 0),
      );
    }).flat(),
  );
  return mixed.map((row) => linearNamed(row, weights, 'out'));
}
