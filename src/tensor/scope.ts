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

  /** Runs `action`; frees what it made, except what it returns and what a holder needs, which the outer scope gets. */
  run<R>(action: () => R, holders: readonly Holder[]): R {
    const scope = new Set<Tensor>();
    this.#stack.push(scope);
    let result: R;
    try {
      result = action();
    } catch (error) {
      this.#close(scope, undefined, holders);
      throw error;
    }
    if (result instanceof Promise) {
      return result.then(
        (value: unknown) => {
          this.#close(scope, value, holders);
          return value;
        },
        (error: unknown) => {
          this.#close(scope, undefined, holders);
          throw error;
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

  #close(scope: Set<Tensor>, result: unknown, holders: readonly Holder[]): void {
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
      );
    }
  }

  #move(tensor: Tensor, outer: Set<Tensor> | undefined): void {
    this.disown(tensor);
    if (outer) this.#own(tensor, outer);
  }
}

/** The tensors in a value made of arrays, maps, plain objects and tensors. */
export function tensorsIn(value: unknown, found = new Set<Tensor>()): Set<Tensor> {
  if (value instanceof Tensor) found.add(value);
  else if (Array.isArray(value) || value instanceof Set) for (const item of value) tensorsIn(item, found);
  else if (value instanceof Map) for (const item of value.values()) tensorsIn(item, found);
  else if (isPlainObject(value)) for (const item of Object.values(value)) tensorsIn(item, found);
  return found;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
