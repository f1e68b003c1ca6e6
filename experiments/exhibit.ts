import type { ActionInputs, ActionNetwork } from '../src/amr/action-network.ts';
import { argmax } from '../src/kernels/reduce.ts';
import { EVALUATION } from '../src/nn/module.ts';
import { attackNetwork } from '../src/train/attack-network.ts';
import { uploadBatch } from '../src/train/batch.ts';
import { headlineBudget, strongest } from './assemble.ts';
import { attackFor, seedOf } from './evaluate-model.ts';
import type { Job } from './job.ts';
import type { Plan } from './plans.ts';
import type { Exhibit, Target } from './results.ts';
import { idOf } from './train-model.ts';

const CANDIDATES = 8;

/** A test sample that the network gets right clean and wrong attacked (else the first one), for the report. */
export async function makeExhibit(job: Job, plan: Plan, network: ActionNetwork): Promise<Exhibit> {
  const { device, dataset } = job;
  const on: Target = network.modalities.length === 2 ? 'both' : (network.modalities[0] ?? 'rgb');
  const attack = strongest(job.preset.evaluation.attacks);
  const budget = headlineBudget(job, on);
  return device.scope(async () => {
    const indices = job.samples.slice(0, CANDIDATES);
    const { inputs, labels } = uploadBatch(device, dataset, indices, network.modalities);
    const level = job.preset.evaluation.headline;
    const attacked = attackNetwork(
      network,
      inputs,
      labels,
      attackFor(attack, budget, seedOf(job, on, level)),
    );
    const before = await argmax(network.forward(inputs, EVALUATION).logits, { axes: -1 }).read();
    const after = await argmax(network.forward(attacked, EVALUATION).logits, { axes: -1 }).read();
    const truth = indices.map((i) => dataset.labels[i] ?? 0);
    const fooled = truth.findIndex((label, i) => before[i] === label && after[i] !== label);
    const row = Math.max(fooled, 0);
    const className = (label: number | undefined) => dataset.classes[label ?? 0] ?? '';
    return {
      model: idOf(plan),
      attack,
      on,
      budget,
      label: className(truth[row]),
      cleanPrediction: className(before[row]),
      attackedPrediction: className(after[row]),
      ...(await clipsOf(job, inputs, attacked, row)),
      ...(await skeletonsOf(job, inputs, attacked, row)),
    };
  });
}

async function clipsOf(
  { dataset }: Job,
  before: ActionInputs,
  after: ActionInputs,
  row: number,
): Promise<Pick<Exhibit, 'clips'>> {
  if (!before.rgb || !after.rgb || !dataset.video) return {};
  const shape = dataset.video.shape;
  const [clean, attacked] = [
    rowOf(await before.rgb.read(), shape, row),
    rowOf(await after.rgb.read(), shape, row),
  ];
  return { clips: { shape, clean, attacked } };
}

async function skeletonsOf(
  { dataset }: Job,
  before: ActionInputs,
  after: ActionInputs,
  row: number,
): Promise<Pick<Exhibit, 'skeletons'>> {
  if (!before.skeleton || !after.skeleton || !dataset.skeleton) return {};
  const { shape, parents } = dataset.skeleton;
  const clean = rowOf(await before.skeleton.read(), shape, row);
  return { skeletons: { shape, parents, clean, attacked: rowOf(await after.skeleton.read(), shape, row) } };
}

function rowOf(data: ArrayLike<number>, shape: readonly number[], row: number): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: size }, (_, i) => data[row * size + i] ?? 0);
}
