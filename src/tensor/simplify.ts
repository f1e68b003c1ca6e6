import type { Launch, Value } from './recording.ts';

type IsIntermediate = (value: Value) => boolean;

/**
 * The launches that a replay needs: without those whose results nothing reads, and with neighbours joined where one can do
 * the work of both. The values they are left with get the lifetimes they have then.
 */
export function simplify(launches: readonly Launch[], isIntermediate: IsIntermediate): readonly Launch[] {
  const needed = withoutUnread(launches, isIntermediate);
  const joined = joinNeighbours(needed, isIntermediate);
  setLifetimes(joined);
  return joined;
}

/** Without launches that only write what no later one reads and nobody gets. */
function withoutUnread(launches: readonly Launch[], isIntermediate: IsIntermediate): readonly Launch[] {
  const read = new Set<Value>();
  const isNeeded = ({ values, written }: Launch): boolean => {
    const needed = values.some((value, i) => written[i] && (read.has(value) || !isIntermediate(value)));
    if (needed) for (const value of values) read.add(value);
    return needed;
  };
  return [...launches].reverse().filter(isNeeded).reverse();
}

/**
 * Lets each launch that can do the work of the one that makes its input do so, where that is its only use: it is then
 * neither stored nor read. What the earlier launch reads must stay as it is until the later one.
 */
function joinNeighbours(launches: readonly Launch[], isIntermediate: IsIntermediate): readonly Launch[] {
  const joined: (Launch | undefined)[] = [...launches];
  const uses = countUses(launches);
  const makers = new Map<Value, number>();
  for (const [at, then] of launches.entries()) {
    const made = then.join && then.values[then.join.input];
    const maker = made && makers.get(made);
    for (const [i, value] of then.values.entries()) if (then.written[i]) makers.set(value, at);
    if (!made || maker === undefined || uses.get(made) !== 2 || !isIntermediate(made)) continue;
    const first = joined[maker];
    const both = first && !isUpdated(first, joined.slice(maker + 1, at)) && then.join?.after(first, then);
    if (!both) continue;
    joined[maker] = undefined;
    joined[at] = both;
  }
  return joined.filter((launch) => launch !== undefined);
}

function countUses(launches: readonly Launch[]): Map<Value, number> {
  const uses = new Map<Value, number>();
  for (const value of launches.flatMap(({ values }) => values)) uses.set(value, (uses.get(value) ?? 0) + 1);
  return uses;
}

/** Whether one of `later` writes to what `launch` reads. */
function isUpdated({ values: read }: Launch, later: readonly (Launch | undefined)[]): boolean {
  return later.some((launch) => launch?.values.some((value, i) => launch.written[i] && read.includes(value)));
}

/** First and last uses, by place in this list. */
export function setLifetimes(launches: readonly Launch[]): void {
  for (const [at, { values }] of launches.entries()) for (const value of values) value.last = at;
  for (const [at, { values }] of [...launches.entries()].reverse())
    for (const value of values) value.first = at;
}
