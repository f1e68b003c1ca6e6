/**
 * Which kernel variant runs. Each op names its candidates best first (its `pick` is pure); tests and benchmarks may
 * force another one, and can ask afterwards what was on offer.
 */
export class Variants {
  readonly forced = new Map<string, string>();
  readonly offered = new Map<string, Set<string>>();

  choose<V extends string>(family: string, candidates: readonly [V, ...V[]]): V {
    const seen = this.offered.get(family) ?? new Set();
    for (const candidate of candidates) seen.add(candidate);
    this.offered.set(family, seen);
    const forced = this.forced.get(family);
    return candidates.find((candidate) => candidate === forced) ?? candidates[0];
  }
}
