import { child, linearNamed, multiHeadAttention, softmax, type Weights } from '../nn/reference.ts';

/** One sample's feature map: [positions][channels]. */
export type Map2 = readonly (readonly number[])[];

/** Mean over the positions. */
function squeezed(map: Map2): number[] {
  return (map[0] ?? []).map((_, c) => map.reduce((sum, row) => sum + (row[c] ?? 0), 0) / map.length);
}

function layerNorm(x: readonly number[], weights: Weights): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  const [gamma, beta] = [weights.get('norm.gamma'), weights.get('norm.beta')];
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * (gamma?.[i] ?? 0) + (beta?.[i] ?? 0));
}

function token(map: Map2, weights: Weights): number[] {
  return layerNorm(linearNamed(squeezed(map), weights, 'project'), weights);
}

/** AMR for one sample, step by step as in the six lines of its definition; parts without weights are off. */
export function reweight(rgb: Map2, skeleton: Map2, weights: Weights, heads: number) {
  const tokens = [token(rgb, child(weights, 'rgbToken')), token(skeleton, child(weights, 'skeletonToken'))];
  const mixed = multiHeadAttention(tokens, child(weights, 'attention'), heads);
  const attended = tokens.map((u, m) => u.map((value, i) => value + (mixed[m]?.[i] ?? 0)));
  const score = weights.get('score');
  const scores = attended.map((o) => o.reduce((sum, value, i) => sum + value * (score?.[i] ?? 0), 0));
  const w = score ? softmax(scores).map((share) => 2 * share) : undefined;
  const gate = (name: string, m: number) =>
    weights.has(`${name}.weight`)
      ? linearNamed(attended[m] ?? [], weights, name).map((z) => 2 / (1 + Math.exp(-z)))
      : undefined;
  const scale = (map: Map2, gates: readonly number[] | undefined, m: number) =>
    map.map((row) => row.map((value, c) => value * (gates?.[c] ?? 1) * (w?.[m] ?? 1)));
  return {
    rgb: scale(rgb, gate('rgbGate', 0), 0),
    skeleton: scale(skeleton, gate('skeletonGate', 1), 1),
    weights: w,
  };
}
