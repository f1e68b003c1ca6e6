import { DeviceError } from '../errors.ts';
import { Tensor } from './tensor.ts';

/** Something that needs tensors beyond the scope that made them: an open gradient tape. */
export interface Holder {
  holds(tensor: Tensor): boolean;
}

/** Who frees what: a stack of scopes, each with the tensors made while it was the innermost. */
export class Scopes {
  readonly #stack: Set<Tensor>[] = [];
  readonly #owner = new Map<Tensor, Set<Tensor>>();

  adopt(tensor: Tensor): void {
    const scope = this.#stack.at(-1);
    if (scope) this.#own(tensor, scope);
  }

  disown(tensor: Tensor): void {
    this.#owner.get(tensor)?.delete(tensor);
    this.#owner.delete(tensor);
  }

  /** Frees `tensor` before its scope ends, unless it is in none or a holder needs it. */
  release(tensor: Tensor, holders: readonly Holder[]): void {
    if (this.#owner.has(tensor) && !holders.some((holder) => holder.holds(tensor))) tensor.dispose();
  }

  /** Runs `action`; frees what it made, except what it returns and what a holder needs, which the outer scope gets. */
  run<R>(action: () => R, holders: readonly Holder[]): R {
    const scope = new Set<Tensor>();
    this.#stack.push(scope);
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

  #own(tensor: Tensor, scope: Set<Tensor>): void {
    scope.add(tensor);
    this.#owner.set(tensor, scope);
  }

  #close(scope: Set<Tensor>, result: unknown, holders: readonly Holder[], failure?: ErrorOptions): void {
    const index = this.#stack.lastIndexOf(scope);
    const innermost = index === this.#stack.length - 1;
    this.#stack.splice(index, 1);
    const kept = tensorsIn(result);
    const outer = this.#stack.at(-1);
    for (const tensor of [...scope]) {
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

  #move(tensor: Tensor, outer: Set<Tensor> | undefined): void {
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
