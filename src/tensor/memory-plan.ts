/** Memory that is needed from the first dispatch that uses it to the last, both included. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** Bytes of each slot. */
  readonly slots: readonly number[];
  /** The slot of each lifetime, in the order given. */
  readonly assigned: readonly number[];
}

/**
 * Puts lifetimes that do not overlap into one slot: the largest first, each into the smallest slot that is free
 * throughout (greedy by size; Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const slots: { bytes: number; users: Lifetime[] }[] = [];
  const assigned = new Array<number>(lifetimes.length).fill(0);
  const largestFirst = [...lifetimes.keys()].sort((a, b) => lifetimes[b]!.bytes - lifetimes[a]!.bytes);
  for (const index of largestFirst) {
    const lifetime = lifetimes[index] as Lifetime;
    // Slots are made in descending order of size: the last free one is the smallest.
    let slot = slots.findLastIndex(({ users }) => !users.some((user) => overlaps(user, lifetime)));
    if (slot < 0) slot = slots.push({ bytes: lifetime.bytes, users: [] }) - 1;
    slots[slot]?.users.push(lifetime);
    assigned[index] = slot;
  }
  return { slots: slots.map(({ bytes }) => bytes), assigned };
}

function overlaps(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}
