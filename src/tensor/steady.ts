import type { Launch, Value } from './recording.ts';
import { setLifetimes } from './simplify.ts';

/** The launches of a step, those first that need not be done again where only its moving inputs have changed. */
export interface Ordered {
  readonly launches: readonly Launch[];
  /** How many of them, from the first, are steady. */
  readonly steady: number;
}

// Of filters that a wide network transforms for its convolutions, more than this would be kept, for a small part of the time.
const MOST_KEPT = 2 ** 27;

/**
 * Puts the launches first that depend neither on `moving` values nor on scalars, and change nothing outside the step. What
 * the others read of them lasts to the end, so it shares no memory; where that takes more than `most` bytes, the largest of it
 * is made at every replay.
 */
export function steadyFirst(
  all: readonly Launch[],
  moving: Iterable<Value>,
  most: number = MOST_KEPT,
): Ordered {
  const known = new Set(moving);
  for (;;) {
    const { ordered, kept } = split(all, known);
    if (kept.reduce((sum, { bytes }) => sum + bytes, 0) <= most) return ordered;
    known.add(kept.reduce((a, b) => (a.bytes >= b.bytes ? a : b)));
  }
}

/** Gives the values the lifetimes they have in the new order. */
function split(all: readonly Launch[], known: ReadonlySet<Value>): { ordered: Ordered; kept: Value[] } {
  const moving = movingLaunches(all, known);
  const first = all.filter((launch) => !moving.has(launch));
  const launches = [...first, ...all.filter((launch) => moving.has(launch))];
  const steady = first.length;
  setLifetimes(launches);
  const made = new Set(first.flatMap(({ values, written }) => values.filter((_, i) => written[i])));
  const kept = [...made].filter(({ last }) => last >= steady);
  for (const value of kept) value.last = all.length;
  return { ordered: { launches, steady }, kept };
}

/**
 * What uses something that moves, and what writes to something that such a launch writes to, or reads before: until nothing
 * more is found.
 */
function movingLaunches(launches: readonly Launch[], known: ReadonlySet<Value>): Set<Launch> {
  const values = new Set(known);
  const moving = new Set<Launch>();
  let before = -1;
  while (moving.size > before) {
    before = moving.size;
    const used = new Set<Value>();
    for (const launch of launches) {
      const { written } = launch;
      const moves = launch.values.some((value, i) => values.has(value) || (written[i] && used.has(value)));
      if (!moves && !changes(launch)) continue;
      moving.add(launch);
      for (const value of launch.values) used.add(value);
      for (const [i, value] of launch.values.entries()) if (written[i]) values.add(value);
    }
  }
  return moving;
}

/** Whether it does something else at each replay, or to what it finds as the last one left it. */
function changes({ scalars, values, written }: Launch): boolean {
  return scalars.length > 0 || values.some(({ inner, constant }, i) => written[i] && (!inner || constant));
}
