import {
  type ActionInputs,
  type ActionNetwork,
  attackNetwork,
  type Device,
  EVALUATION,
  softmax,
  type Tensor,
  type TypedArray,
  uploadBatch,
} from '../src/index.ts';
import type { PairedDataset } from './data.ts';
import { type AttackRequest, epsilonsOf } from './request.ts';

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

/** Attacks one sample with PGD and reads what the network sees and says before and after. */
export async function attackSample(
  device: Device,
  network: ActionNetwork,
  dataset: PairedDataset,
  request: AttackRequest,
): Promise<Outcome> {
  // Training goes on between the reads below, perhaps in a scope of its own: what is read is kept out of it.
  const [clean, attacked] = device.scope(() => lookTwice(device, network, dataset, request));
  const [before, after] = await Promise.all([readLook(clean), readLook(attacked)]);
  for (const tensor of [...clean, ...attacked]) tensor.dispose();
  return { request, clean: before, attacked: after };
}

/** Builds the pipelines of `attackSample` side by side. */
export function warmAttack(
  device: Device,
  network: ActionNetwork,
  dataset: PairedDataset,
  request: AttackRequest,
): Promise<number> {
  return device.warm(() => lookTwice(device, network, dataset, request));
}

/** What there is to see before and after. */
function lookTwice(
  device: Device,
  network: ActionNetwork,
  dataset: PairedDataset,
  request: AttackRequest,
): readonly [Tensor[], Tensor[]] {
  const { inputs, labels } = uploadBatch(device, dataset, [request.sample], network.modalities);
  const moved = attackNetwork(network, inputs, labels, {
    epsilons: epsilonsOf(request),
    steps: request.steps,
    relativeStep: 2.5 / request.steps,
    randomStart: true,
    seed: 7,
  });
  return [keepLook(device, network, inputs), keepLook(device, network, moved)];
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
