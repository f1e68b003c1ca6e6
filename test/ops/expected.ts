import type { OpCase } from './case.ts';
import { inner, type Nd, nd, random } from './nd.ts';

export type NdInputs = Readonly<Record<string, Nd>>;

const PROBES = 24;
/** Of a large input in which the op is linear: there references are slow, and the adjoint identity sees every element. */
const FEW_PROBES = 6;

/** What the float64 reference says about a case, worked out when first asked for: every variant is held against it. */
export class Expected {
  readonly #test: OpCase;
  readonly #inputs: NdInputs;
  readonly #gradients = new Map<string, Map<number, number>>();
  #outputs: readonly Nd[] | undefined;
  #cotangents: readonly Nd[] | undefined;
  #curvature: number | undefined;

  constructor(test: OpCase, inputs: NdInputs) {
    this.#test = test;
    this.#inputs = inputs;
  }

  get outputs(): readonly Nd[] {
    this.#outputs ??= listOf(this.#test.reference(this.#inputs));
    return this.#outputs;
  }

  /** The weights of the outputs in the loss. */
  get cotangents(): readonly Nd[] {
    this.#cotangents ??= this.outputs.map(({ shape }, i) => randomLike(shape, 500 + i));
    return this.#cotangents;
  }

  /** dLoss/dInput by central differences at some positions. */
  gradient(name: string): Map<number, number> {
    const known = this.#gradients.get(name);
    if (known) return known;
    const x = this.#inputs[name] as Nd;
    const few = x.data.length > 4096 && this.#test.linear?.includes(name);
    const found = probe(x, few ? FEW_PROBES : PROBES, (moved) =>
      this.#loss({ ...this.#inputs, [name]: moved }),
    );
    this.#gradients.set(name, found);
    return found;
  }

  /** uᵀHv, with H the Hessian of the loss over the inputs `names`, by second differences. */
  curvature(names: readonly string[], u: readonly Nd[], v: readonly Nd[]): number {
    const h = 1e-3;
    const moved = (a: number, b: number) => this.#loss(move(names, this.#inputs, u, v, a, b));
    this.#curvature ??= (moved(h, h) - moved(h, -h) - moved(-h, h) + moved(-h, -h)) / (4 * h * h);
    return this.#curvature;
  }

  #loss(inputs: NdInputs): number {
    const outputs = listOf(this.#test.reference(inputs));
    return outputs.reduce((sum, { data }, i) => sum + inner(data, (this.cotangents[i] as Nd).data), 0);
  }
}

/** Uniform values in [−1, 1) that f32 holds exactly. */
export function randomLike(shape: readonly number[], seed: number): Nd {
  const next = random(seed);
  const made = nd(shape);
  for (let i = 0; i < made.data.length; i++) made.data[i] = Math.fround(next() * 2 - 1);
  return made;
}

export function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}

function probe(x: Nd, probes: number, loss: (x: Nd) => number): Map<number, number> {
  const next = random(x.data.length + 3);
  const count = Math.min(x.data.length, probes);
  const all = x.data.length === count;
  const found = new Map<number, number>();
  for (let k = 0; k < count; k++) {
    const i = all ? k : Math.floor(next() * x.data.length);
    const h = 1e-5 * Math.max(1, Math.abs(x.data[i] ?? 0));
    found.set(i, (loss(nudged(x, i, h)) - loss(nudged(x, i, -h))) / (2 * h));
  }
  return found;
}

function nudged(x: Nd, i: number, h: number): Nd {
  const data = x.data.slice();
  data[i] = (data[i] ?? 0) + h;
  return { shape: x.shape, data };
}

function move(
  names: readonly string[],
  inputs: NdInputs,
  u: readonly Nd[],
  v: readonly Nd[],
  a: number,
  b: number,
): NdInputs {
  const moved = ({ shape, data }: Nd, i: number) =>
    nd(
      shape,
      data.map((value, k) => value + a * (u[i]?.data[k] ?? 0) + b * (v[i]?.data[k] ?? 0)),
    );
  const changed = names.map((name, i) => [name, moved(inputs[name] as Nd, i)] as const);
  return { ...inputs, ...Object.fromEntries(changed) };
}
