import { DeviceError } from '../errors.ts';
import type { PooledBuffer, PoolMemory } from './pool.ts';
import { Tensor } from './tensor.ts';

/** Something that needs tensors beyond the scope that made them: an open gradient tape. */
export interface Holder {
  holds(tensor: Tensor): boolean;
}

/** Bytes of the scopes of one name. */
export interface ScopeMemory {
  /** In tensors that open scopes own; memory that several share is the outermost's. */
  readonly live: number;
  /** The most that one scope, with all inside it, has added to what was alive when it opened. */
  readonly peak: number;
}

interface Scope {
  readonly name: string;
  readonly tensors: Set<Tensor>;
  /** Bytes alive when it opened. */
  readonly base: number;
  /** The most bytes alive in the scope around it until then. */
  readonly outerHigh: number;
}

const UNNAMED = 'unnamed';

/** Who frees what: a stack of scopes, each with the tensors made while it was the innermost. */
export class Scopes {
  readonly #stack: Scope[] = [];
  readonly #owner = new Map<Tensor, Scope>();
  readonly #peaks = new Map<string, number>();
  readonly #memory: Pick<PoolMemory, 'live' | 'high'>;

  constructor(memory: Pick<PoolMemory, 'live' | 'high'>) {
    this.#memory = memory;
  }

  adopt(tensor: Tensor): void {
    const scope = this.#stack.at(-1);
    if (scope) this.#own(tensor, scope);
  }

  disown(tensor: Tensor): void {
    this.#owner.get(tensor)?.tensors.delete(tensor);
    this.#owner.delete(tensor);
  }

  /** Frees `tensor` before its scope ends, unless it is in none or a holder needs it. */
  release(tensor: Tensor, holders: readonly Holder[]): void {
    if (this.#owner.has(tensor) && !holders.some((holder) => holder.holds(tensor))) tensor.dispose();
  }

  /** Runs `action`; frees what it made, except what it returns and what a holder needs, which the outer scope gets. */
  run<R>(action: () => R, holders: readonly Holder[], name?: string): R {
    const scope = this.#open(name ?? this.#stack.at(-1)?.name ?? UNNAMED);
    let result: R;
    try {
      result = action();
    } catch (cause) {
      this.#close(scope, undefined, holders, { cause });
      throw cause;
    }
    if (result instanceof Promise) {
      return result.then(
        (value: unknown) => {
          this.#close(scope, value, holders);
          return value;
        },
        (cause: unknown) => {
          this.#close(scope, undefined, holders, { cause });
          throw cause;
        },
      ) as R;
    }
    this.#close(scope, result, holders);
    return result;
  }

  /** Bytes by the names of scopes, those that have closed included. */
  memory(): Record<string, ScopeMemory> {
    const live = new Map<string, number>();
    const seen = new Set<PooledBuffer>();
    for (const { name, tensors } of this.#stack)
      for (const { buffer } of [...tensors].map((tensor) => tensor.storage('memory'))) {
        if (!buffer.wrapped && !seen.has(buffer)) live.set(name, (live.get(name) ?? 0) + buffer.bytes);
        seen.add(buffer);
      }
    const peaks = this.#peaksNow();
    return Object.fromEntries([...peaks].map(([name, peak]) => [name, { live: live.get(name) ?? 0, peak }]));
  }

  /** Those of closed scopes, and of open ones so far. */
  #peaksNow(): Map<string, number> {
    const peaks = new Map(this.#peaks);
    let { high } = this.#memory;
    for (const { name, base, outerHigh } of this.#stack.toReversed()) {
      peaks.set(name, Math.max(peaks.get(name) ?? 0, high - base));
      high = Math.max(high, outerHigh);
    }
    return peaks;
  }

  #open(name: string): Scope {
    const { live, high } = this.#memory;
    const scope = { name, tensors: new Set<Tensor>(), base: live, outerHigh: high };
    this.#memory.high = live;
    this.#stack.push(scope);
    return scope;
  }

  #own(tensor: Tensor, scope: Scope): void {
    scope.tensors.add(tensor);
    this.#owner.set(tensor, scope);
  }

  #close(scope: Scope, result: unknown, holders: readonly Holder[], failure?: ErrorOptions): void {
    const index = this.#stack.lastIndexOf(scope);
    const innermost = index === this.#stack.length - 1;
    this.#stack.splice(index, 1);
    this.#count(scope);
    const kept = tensorsIn(result);
    const outer = this.#stack.at(-1);
    for (const tensor of [...scope.tensors]) {
      if (!kept.has(tensor) && !holders.some((holder) => holder.holds(tensor))) tensor.dispose();
      else this.#move(tensor, outer);
    }
    if (!innermost) {
      throw new DeviceError(
        'scope',
        'asynchronous scopes of one device overlap; await one before opening the next',
        failure,
      );
    }
  }

  #count({ name, base, outerHigh }: Scope): void {
    const memory = this.#memory;
    this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, memory.high - base));
    memory.high = Math.max(memory.high, outerHigh);
  }

  #move(tensor: Tensor, outer: Scope | undefined): void {
    this.disown(tensor);
    if (outer) this.#own(tensor, outer);
  }
}

/** The tensors that can be reached from a value through arrays, maps, sets and properties of objects. */
export function tensorsIn(value: unknown): Set<Tensor> {
  const reached = new Set([value]);
  // What is added on the way is visited too, and nothing twice.
  for (const item of reached) for (const part of partsOf(item)) if (isObject(part)) reached.add(part);
  return new Set([...reached].filter((item) => item instanceof Tensor));
}

function partsOf(value: unknown): Iterable<unknown> {
  if (!isObject(value) || value instanceof Tensor || ArrayBuffer.isView(value)) return [];
  if (Array.isArray(value) || value instanceof Set) return value;
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  return Object.values(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
