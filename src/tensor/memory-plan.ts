/** Memory that is needed from the first dispatch that uses it to the last, both included. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** What a dispatch uses, and which of it it may write to. */
interface Use<L> {
  readonly values: readonly L[];
  readonly written: readonly boolean[];
}

/** Part of a slot. */
export interface Place {
  readonly slot: number;
  /** Bytes from the slot's begin: a multiple of 256, as the offset of a binding must be. */
  readonly offset: number;
}

export interface MemoryPlan<L> {
  /** Bytes of each slot. */
  readonly slots: readonly number[];
  readonly places: ReadonlyMap<L, Place>;
}

interface Slot<L> {
  readonly bytes: number;
  readonly users: { readonly lifetime: L; readonly begin: number; readonly end: number }[];
}

// The largest minStorageBufferOffsetAlignment a device may ask for.
const ALIGNMENT = 256;

/**
 * Puts lifetimes into slots, each a buffer: the largest first, each into the smallest gap that is free throughout, or into a slot
 * of its own (greedy by size; Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020). What
 * a dispatch reads and what it writes never share a slot: WebGPU lets no dispatch read and write one buffer.
 */
export function planMemory<L extends Lifetime>(
  lifetimes: readonly L[],
  dispatches: readonly Use<L>[],
): MemoryPlan<L> {
  const apart = apartFrom(dispatches);
  const slots: Slot<L>[] = [];
  const places = new Map<L, Place>();
  for (const lifetime of lifetimes.toSorted((a, b) => b.bytes - a.bytes)) {
    const place = bestGap(slots, lifetime, apart.get(lifetime)) ?? newSlot(slots, lifetime.bytes);
    const end = place.offset + Math.ceil(lifetime.bytes / ALIGNMENT) * ALIGNMENT;
    slots[place.slot]?.users.push({ lifetime, begin: place.offset, end });
    places.set(lifetime, place);
  }
  return { slots: slots.map(({ bytes }) => bytes), places };
}

/** For each value those that a dispatch uses beside it, one to read and one to write. */
function apartFrom<L>(dispatches: readonly Use<L>[]): Map<L, Set<L>> {
  const apart = new Map<L, Set<L>>();
  for (const { values, written } of dispatches)
    for (const [i, a] of values.entries())
      for (const [j, b] of values.entries())
        if (written[i] !== written[j]) apart.set(a, (apart.get(a) ?? new Set()).add(b));
  return apart;
}

function newSlot<L>(slots: Slot<L>[], bytes: number): Place {
  return { slot: slots.push({ bytes, users: [] }) - 1, offset: 0 };
}

/** The smallest gap that has room, in slots that hold nothing meanwhile that it must be apart from. */
function bestGap<L extends Lifetime>(
  slots: readonly Slot<L>[],
  lifetime: L,
  apart: ReadonlySet<L> | undefined,
): Place | undefined {
  let best: (Place & { readonly bytes: number }) | undefined;
  for (const [slot, { bytes: end, users }] of slots.entries()) {
    const others = users.filter((user) => overlaps(user.lifetime, lifetime));
    if (others.some((user) => apart?.has(user.lifetime))) continue;
    for (const [offset, bytes] of gapsBetween(others, end))
      if (bytes >= lifetime.bytes && !(best && best.bytes <= bytes)) best = { slot, offset, bytes };
  }
  return best;
}

/** [offset, bytes] of what `users` leave free of a slot's `end` bytes. */
function gapsBetween(users: Slot<unknown>['users'], end: number): [number, number][] {
  const gaps: [number, number][] = [];
  let free = 0;
  for (const user of users.toSorted((a, b) => a.begin - b.begin)) {
    gaps.push([free, user.begin - free]);
    free = Math.max(free, user.end);
  }
  gaps.push([free, end - free]);
  return gaps;
}

function overlaps(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}
