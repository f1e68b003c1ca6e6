import type { Device } from './device.ts';
import { planMemory } from './memory-plan.ts';
import type { PooledBuffer } from './pool.ts';
import type { Copy } from './queue.ts';
import type { Launch, Recording, Value } from './recording.ts';
import { Replay } from './replay.ts';
import { simplify } from './simplify.ts';
import { Sources } from './sources.ts';
import { type Ordered, steadyFirst } from './steady.ts';
import type { Tensor } from './tensor.ts';

/** Memory that is used as it is at every replay, as long as nobody has given it back. */
interface Pinned {
  readonly buffer: PooledBuffer;
  readonly version: number;
}

/** An input as it was recorded, and how it gets into the step's own memory; undefined where nothing uses it. */
export interface PlannedInput {
  readonly tensor: Tensor;
  readonly copy: Copy | undefined;
}

/** How a recorded step is done again. */
export interface Plan {
  readonly device: Device;
  readonly inputs: readonly PlannedInput[];
  /** Of those inputs that are used. */
  readonly copies: readonly Copy[];
  /** Of those that move. */
  readonly movingCopies: readonly Copy[];
  /** What must be as it was for the steady launches to be left out; undefined where they never are. */
  readonly sources: Sources | undefined;
  readonly replay: Replay;
  readonly pinned: readonly Pinned[];
  /** Memory of inputs, intermediates and constants. */
  readonly owned: readonly PooledBuffer[];
  readonly memory: { readonly unplanned: number; readonly planned: number };
}

/** Where each value of a step lies at its replays. */
interface Places {
  readonly places: ReadonlyMap<Value, PooledBuffer>;
  readonly owned: readonly PooledBuffer[];
  readonly memory: Plan['memory'];
}

/**
 * Gives every value its memory: inputs and intermediates new one, everything else what it had. `moving`: how many inputs, from
 * the first, are other ones at each call; undefined where all is done again anyway.
 */
export function planReplay(
  device: Device,
  recording: Recording,
  inputs: readonly Tensor[],
  moving: number | undefined,
): Plan {
  const needed = simplify(recording.launches, isIntermediate);
  const ordered = orderOf(needed, inputs, moving);
  const values = new Set(ordered.launches.flatMap((launch) => launch.values));
  const { places, owned, memory } = placesOf(device, ordered.launches, values, inputs);
  const bufferOf = (value: Value) => places.get(value) ?? value.buffer;
  const { pipelines, queue } = device;
  const replay = new Replay(device.gpu, ordered, bufferOf, (wanted) => pipelines.get(wanted), queue.bind);
  const known = inputs.map((tensor) => plannedInput(tensor, values, places));
  return {
    device,
    inputs: known,
    copies: copiesOf(known),
    movingCopies: copiesOf(known.slice(0, moving)),
    sources: moving === undefined ? undefined : sourcesOf(ordered, replay, { inputs: known, places }, moving),
    replay,
    pinned: [...values].filter((value) => !places.has(value) && !isRetained(recording, value)),
    owned: [...owned, ...recording.constants],
    memory,
  };
}

/** Steady launches first, where `moving` says what they are. */
function orderOf(
  launches: readonly Launch[],
  inputs: readonly Tensor[],
  moving: number | undefined,
): Ordered {
  if (moving === undefined) return { launches, steady: 0 };
  const values = new Set(launches.flatMap((launch) => launch.values));
  const given = inputs.slice(0, moving);
  return steadyFirst(
    launches,
    given.flatMap((tensor) => inputValue(tensor, values) ?? []),
  );
}

/** The other inputs that are used, and what the steady launches use that is not the step's own. */
function sourcesOf(
  { launches, steady }: Ordered,
  { changed }: Replay,
  { inputs, places }: { readonly inputs: readonly PlannedInput[] } & Pick<Places, 'places'>,
  moving: number,
): Sources {
  const used = launches.slice(0, steady).flatMap(({ values }) => values);
  const pinned = used.filter((value) => !places.has(value)).map(({ buffer }) => buffer);
  const others = inputs.flatMap(({ copy }, i) => (copy && i >= moving ? [i] : []));
  return new Sources([...new Set(pinned)], others, new Set(changed.map(({ buffer }) => buffer)));
}

/** Memory of their own for inputs that are used, and for intermediates, which share it. */
function placesOf(
  device: Device,
  launches: readonly Launch[],
  values: ReadonlySet<Value>,
  inputs: readonly Tensor[],
): Places {
  const inner = [...values].filter(isIntermediate);
  const plan = planMemory(inner, launches);
  const shared = plan.slots.map((bytes) => device.pool.take(bytes, 'capture'));
  const places = new Map<Value, PooledBuffer>();
  for (const [value, { slot, offset }] of plan.places)
    places.set(value, { ...(shared[slot] as PooledBuffer), offset, bytes: value.bytes });
  const own: PooledBuffer[] = [];
  for (const value of inputs.flatMap((tensor) => inputValue(tensor, values) ?? [])) {
    const buffer = device.pool.take(value.buffer.bytes, 'capture');
    own.push(buffer);
    places.set(value, buffer);
  }
  const memory = { unplanned: sumBytes(inner), planned: sumBytes(shared) };
  return { places, owned: [...shared, ...own], memory };
}

function plannedInput(tensor: Tensor, values: ReadonlySet<Value>, places: Places['places']): PlannedInput {
  const from = memoryOf(tensor);
  const value = inputValue(tensor, values);
  const own = value && (places.get(value) as PooledBuffer);
  return { tensor, copy: own && { from, to: own.gpu, bytes: tensor.bytes } };
}

/** What an input holds, where a launch uses it. */
function inputValue(tensor: Tensor, values: ReadonlySet<Value>): Value | undefined {
  const buffer = memoryOf(tensor);
  return [...values].find((value) => !value.inner && value.buffer === buffer);
}

function memoryOf(tensor: Tensor): PooledBuffer {
  return tensor.storage('capture').buffer;
}

function copiesOf(inputs: readonly PlannedInput[]): Copy[] {
  return inputs.flatMap(({ copy }) => copy ?? []);
}

/** Made inside the step and given back inside it: nobody needs it between replays. */
export function isIntermediate({ inner, constant, buffer, version }: Value): boolean {
  return inner && !constant && buffer.version !== version;
}

function isRetained(recording: Recording, value: Value): boolean {
  return value.constant && recording.constants.includes(value.buffer);
}

function sumBytes(all: readonly { readonly bytes: number }[]): number {
  return all.reduce((sum, { bytes }) => sum + bytes, 0);
}
