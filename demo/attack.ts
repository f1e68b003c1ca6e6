import {
  type ActionInputs,
  type ActionNetwork,
  attackNetwork,
  type Device,
  type Epsilons,
  EVALUATION,
  softmax,
  type Tensor,
  type TypedArray,
  uploadBatch,
} from '../src/index.ts';
import type { PairedDataset } from './data.ts';

export type Target = 'rgb' | 'skeleton' | 'both';

export interface AttackRequest {
  readonly sample: number;
  readonly on: Target;
  /** ε in 1/255 of the pixel range; the skeleton's goes with it. */
  readonly strength: number;
  readonly steps: number;
}

/** An input, and what the network makes of it. */
export interface Look {
  readonly rgb: TypedArray;
  readonly skeleton: TypedArray;
  readonly probabilities: TypedArray;
  /** RGB and skeleton weight of every reweighted stage. */
  readonly weights: readonly TypedArray[];
}

export interface Outcome {
  readonly request: AttackRequest;
  readonly clean: Look;
  readonly attacked: Look;
}

/** Metres of skeleton ε for one 1/255 of RGB ε: 8/255 goes with 2 cm. */
const METRES = 0.02 / 8;

export function epsilonsOf({ on, strength }: Pick<AttackRequest, 'on' | 'strength'>): Epsilons {
  return {
    ...(on !== 'skeleton' && { rgb: strength / 255 }),
    ...(on !== 'rgb' && { skeleton: strength * METRES }),
  };
}

/** Attacks one sample with PGD and reads what the network sees and says before and after. */
export async function attackSample(
  device: Device,
  network: ActionNetwork,
  dataset: PairedDataset,
  request: AttackRequest,
): Promise<Outcome> {
  // Training goes on between the reads below, perhaps in a scope of its own: what is read is kept out of it.
  const [clean, attacked] = device.scope(() => {
    const { inputs, labels } = uploadBatch(device, dataset, [request.sample], network.modalities);
    const moved = attackNetwork(network, inputs, labels, {
      epsilons: epsilonsOf(request),
      steps: request.steps,
      relativeStep: 2.5 / request.steps,
      randomStart: true,
      seed: 7,
    });
    return [keepLook(device, network, inputs), keepLook(device, network, moved)] as const;
  });
  const [before, after] = await Promise.all([readLook(clean), readLook(attacked)]);
  for (const tensor of [...clean, ...attacked]) tensor.dispose();
  return { request, clean: before, attacked: after };
}

function keepLook(device: Device, network: ActionNetwork, inputs: ActionInputs): Tensor[] {
  const { logits, weights } = network.forward(inputs, EVALUATION);
  const seen = network.modalities.map((modality) => inputs[modality] as Tensor);
  return [...seen, softmax(logits), ...weights].map((tensor) => device.keep(tensor));
}

async function readLook(tensors: readonly Tensor[]): Promise<Look> {
  const [rgb, skeleton, probabilities, ...weights] = await Promise.all(
    tensors.map((tensor) => tensor.read()),
  );
  return { rgb: rgb!, skeleton: skeleton!, probabilities: probabilities!, weights };
}
