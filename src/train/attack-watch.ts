import type { Iterate } from '../attacks/pgd-attack.ts';
import { abs, cast, equal, greater, lessEqual, maximum, minimum, sub } from '../kernels/elementwise.ts';
import { reshape, slice } from '../kernels/layout.ts';
import { crossEntropy } from '../kernels/loss.ts';
import { argmax, max, mean } from '../kernels/reduce.ts';
import type { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AttackValue } from './attack-network.ts';

/** What an attack did to one batch; sums over its samples. */
export interface Watched {
  readonly robust: readonly boolean[];
  readonly losses: readonly number[];
  readonly lossByStep: readonly number[];
  readonly zeroGradients: number;
  readonly weights: readonly (readonly [number, number])[];
}

/** Follows the iterates of an attack on one batch, on the GPU until `read`. */
export class AttackWatch {
  readonly #device: Device;
  readonly #labels: Tensor;
  readonly #cleanLosses: Tensor;
  /** f32 [N]: 1 where every prediction so far is the label. */
  #right: Tensor;
  #zero: Tensor | undefined;
  #weights: Tensor[] = [];
  readonly #losses: Tensor[] = [];

  constructor(device: Device, clean: Tensor, labels: Tensor) {
    this.#device = device;
    this.#labels = labels;
    this.#right = isRight(clean, labels);
    this.#cleanLosses = crossEntropy(clean, labels, { reduction: 'none' });
  }

  see({ step, value, grads }: Iterate<AttackValue>): void {
    const [device, before] = [this.#device, this.#right];
    const holds = isRight(value.logits, this.#labels);
    this.#right = device.keep(minimum(before, grads ? minimum(holds, areNumbers(grads)) : holds));
    before.dispose();
    this.#losses.push(device.keep(slice(value.losses, { size: value.losses.shape })));
    if (step === 0 && grads) this.#zero = device.keep(zeroRows(grads));
    if (!grads) this.#weights = value.weights.map((rows) => device.keep(mean(rows, { axes: 0 })));
  }

  /** All that was seen; the watch ends. */
  async read(): Promise<Watched> {
    const stages = await Promise.all(this.#weights.map((tensor) => tensor.read()));
    const losses = await Promise.all(this.#losses.map((tensor) => tensor.read()));
    const all = [await this.#cleanLosses.read(), ...losses];
    const right = Array.from(await this.#right.read());
    const zero = this.#zero ? Array.from(await this.#zero.read()) : [];
    for (const tensor of [this.#right, this.#zero, ...this.#losses, ...this.#weights]) tensor?.dispose();
    return {
      robust: right.map((flag, i) => flag > 0 && all.every((row) => Number.isFinite(row[i]))),
      losses: Array.from(losses.at(-1) ?? []),
      lossByStep: losses.map((row) => Array.from(row).reduce((a, b) => a + b, 0)),
      zeroGradients: zero.filter((flag) => flag > 0).length,
      weights: stages.map(([rgb = 0, skeleton = 0]): [number, number] => [rgb, skeleton]),
    };
  }
}

/** f32 [N]: 1 where the prediction is the label. */
function isRight(logits: Tensor, labels: Tensor): Tensor {
  return cast(equal(argmax(logits, { axes: -1 }), labels), 'f32');
}

/** f32 [N]: 1 where the gradient of every input is exactly zero or no number: the attack moves nothing there. */
function zeroRows(grads: readonly Tensor[]): Tensor {
  return sub(1, cast(greater(largestOf(grads), 0), 'f32'));
}

/** f32 [N]: 1 where the gradients are numbers. What is no number moves nothing, so that it shows nothing about robustness. */
function areNumbers(grads: readonly Tensor[]): Tensor {
  return cast(lessEqual(largestOf(grads), LARGEST), 'f32');
}

const LARGEST = 3.4e38;

/** [N]: the largest element of a sample's gradients; NaN where there is one. */
function largestOf(grads: readonly Tensor[]): Tensor {
  return grads
    .map((grad) => max(abs(reshape(grad, [grad.shape[0] ?? 0, -1])), { axes: 1 }))
    .reduce((a, b) => maximum(a, b));
}
