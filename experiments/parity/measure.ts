import { valueAndGrad } from '../../src/autograd/grad.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import type { Network } from '../../src/models/backbone.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type CifarFolder, firstOf, type Images, upload } from './data.ts';
import type { AttackRun } from './runs.ts';
import { accuracy, rowsOf } from './subject.ts';

/** What is compared with other implementations. Accuracies are fractions. */
export interface Parity {
  /** Of the 1000 re-encoded images. */
  readonly clean1000: number;
  /** Of the 20 lossless images. */
  readonly foolbox20: number;
  /** Of the first 8 of the 1000 images, [8][10]. */
  readonly logits: readonly (readonly number[])[];
  /** Mean cross-entropy of these 8, in nats. */
  readonly loss: number;
  /** ℓ2 norm of the gradient of that mean by all pixels of the 8 images, which are in [0, 1]. */
  readonly inputGradNorm: number;
  /** Of the first 200 of the 1000 images, by attack and by ε as a share of the pixel range. */
  readonly robust: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What each of these attacks was made with. */
  readonly options: Readonly<Record<string, AttackRun['options']>>;
}

export interface MeasureOptions {
  readonly runs: readonly AttackRun[];
  readonly onProgress?: (what: string) => void;
  /** Called with all there is so far, after the clean figures and after each attack. */
  readonly onMeasured?: (parity: Parity) => void;
}

const SHOWN = 8;
const ATTACKED = 200;

/** Measures a network on the images of a folder, attacked by each of `runs`. */
export async function measureParity(
  device: Device,
  network: Network,
  { test1000, foolbox20 }: Pick<CifarFolder, 'test1000' | 'foolbox20'>,
  { runs, onProgress, onMeasured }: MeasureOptions,
): Promise<Parity> {
  const on = (images: Images) => ({ device, network, images, onProgress });
  onProgress?.('clean images');
  const clean = {
    clean1000: await accuracy(on(test1000)),
    foolbox20: await accuracy(on(foolbox20)),
    ...(await derivative(device, network, firstOf(test1000, SHOWN))),
  };
  let parity: Parity = { ...clean, robust: {}, options: {} };
  onMeasured?.(parity);
  for (const { name, options, measure } of runs) {
    const robust = { ...parity.robust, [name]: await measure(on(firstOf(test1000, ATTACKED))) };
    parity = { ...parity, robust, options: { ...parity.options, [name]: options } };
    onMeasured?.(parity);
  }
  return parity;
}

/** Logits, the loss and the norm of its gradient. */
async function derivative(device: Device, network: Network, images: Images) {
  return device.scope(async () => {
    const { x, labels } = upload(device, images, 0, images.labels.length);
    const found = valueAndGrad(() => {
      const logits = network.forward(x, EVALUATION);
      return { loss: crossEntropy(logits, labels), logits };
    }, [x]);
    const gradient = await (found.grads[0] as Tensor).read('f32');
    return {
      logits: await rowsOf(found.value.logits),
      loss: await found.value.loss.item(),
      inputGradNorm: Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)),
    };
  });
}
