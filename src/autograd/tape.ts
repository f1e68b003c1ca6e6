import { check, KernelError } from '../errors.ts';
import { add } from '../kernels/elementwise.ts';
import type { OpCall, Recorder } from '../tensor/recorder.ts';
import { formatShape, isFloat } from '../tensor/shape.ts';
import type { Storage, Tensor } from '../tensor/tensor.ts';

/** The calls that lie on a path from the wanted tensors, in order. */
export class Tape implements Recorder {
  readonly #wanted: readonly Tensor[];
  readonly #calls: OpCall[] = [];
  /** What depends on a wanted tensor. */
  readonly #tracked: Set<Tensor>;
  /** What the gradient rules read of inputs and outputs of recorded calls. */
  readonly #held = new Set<Tensor>();
  /** The memory of all these. */
  readonly #memory: Set<Storage>;

  constructor(wanted: readonly Tensor[]) {
    this.#wanted = wanted;
    this.#tracked = new Set(wanted);
    this.#memory = new Set(wanted.map((tensor) => tensor.storage('grad')));
  }

  record(call: OpCall): void {
    const inputs = Object.values(call.inputs).filter((input) => input !== undefined);
    if (!inputs.some((input) => this.#tracked.has(input))) return;
    this.#calls.push(call);
    for (const tensor of call.reads) {
      this.#held.add(tensor);
      this.#memory.add(tensor.storage(call.op));
    }
    for (const output of call.outputs) if (isFloat(output.dtype)) this.#tracked.add(output);
  }

  tracks(tensor: Tensor): boolean {
    return this.#tracked.has(tensor);
  }

  holds(tensor: Tensor): boolean {
    return this.#held.has(tensor);
  }

  needs(tensor: Tensor): boolean {
    return this.#memory.has(tensor.storage('needs'));
  }

  /**
   * dLoss/dWanted for each wanted tensor, undefined where the loss does not depend on it. What the calls made is freed as
   * soon as no rule can read it any more, `kept` excepted.
   */
  backward(loss: Tensor, kept: ReadonlySet<Tensor> = new Set([loss])): (Tensor | undefined)[] {
    check(loss.size === 1, 'grad', () => `the loss must be one number; got ${formatShape(loss.shape)}`);
    const one = loss.device.tensor([1], loss.shape, loss.dtype === 'f16' ? 'f16' : undefined);
    const grads = new Map<Tensor, Tensor>([[loss, one]]);
    for (const call of this.#calls.toReversed()) {
      this.#step(call, grads);
      // Calls that use the outputs came later: they are done.
      const spent = call.outputs.filter((output) => !kept.has(output) && !isAmong(grads, output));
      for (const output of spent) output.device.release(output);
    }
    return this.#wanted.map((tensor) => grads.get(tensor));
  }

  /** The chain rule for one call: its inputs' gradients from its outputs' gradients. */
  #step(call: OpCall, grads: Map<Tensor, Tensor>): void {
    const outputGrads = call.outputs.map((output) => grads.get(output));
    if (outputGrads.every((grad) => grad === undefined)) return;
    if (!call.gradient) throw new KernelError(call.op, 'has no gradient rule');
    // Named results survive the scope; the rule's intermediates go at once.
    const inputGrads = call.outputs[0]?.device.scope(() => this.#inputGrads(call, outputGrads)) ?? [];
    const spent = new Set<Tensor>();
    for (const [input, grad] of inputGrads) {
      const known = grads.get(input);
      grads.set(input, known ? add(known, grad) : grad);
      if (known) spent.add(known).add(grad);
    }
    for (const output of call.outputs) {
      const grad = grads.get(output);
      if (!grad || this.#wanted.includes(output)) continue;
      grads.delete(output);
      spent.add(grad);
    }
    for (const grad of spent) this.#release(grad, grads);
  }

  /** Frees a gradient that is used up or added to another, unless something else still needs it. */
  #release(spent: Tensor, grads: ReadonlyMap<Tensor, Tensor>): void {
    const needed = [this, ...spent.device.recorders].some((holder) => holder.holds(spent));
    if (!needed && !isAmong(grads, spent)) spent.dispose();
  }

  #inputGrads(call: OpCall, outputGrads: readonly (Tensor | undefined)[]): [Tensor, Tensor][] {
    const wants = (input: Tensor | undefined) => input !== undefined && this.#tracked.has(input);
    const rules = call.gradient?.(outputGrads, wants) ?? {};
    const pairs: [Tensor, Tensor][] = [];
    for (const [name, input] of Object.entries(call.inputs)) {
      const rule = rules[name];
      if (input && rule && wants(input)) pairs.push([input, rule()]);
    }
    return pairs;
  }
}

function isAmong(grads: ReadonlyMap<Tensor, Tensor>, tensor: Tensor): boolean {
  for (const grad of grads.values()) if (grad === tensor) return true;
  return false;
}
