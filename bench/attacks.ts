// Measures attacks on a CIFAR ResNet: samples × steps a second, and the share of the time that is spent outside kernels.
import { apgdAttack } from '../src/attacks/apgd.ts';
import type { Attack } from '../src/attacks/attack.ts';
import { cwL2Attack } from '../src/attacks/cw.ts';
import { deepFoolAttack } from '../src/attacks/deep-fool.ts';
import { fabAttack } from '../src/attacks/fab.ts';
import { bimAttack, cwInfAttack, fgsmAttack, miFgsmAttack, pgdAttack } from '../src/attacks/first-order.ts';
import { runAttack } from '../src/attacks/loop.ts';
import { dlrObjective } from '../src/attacks/losses.ts';
import type { AttackModel } from '../src/attacks/model.ts';
import type { Norm } from '../src/attacks/norms.ts';
import { makeProblem } from '../src/attacks/problem.ts';
import { squareAttack } from '../src/attacks/square.ts';
import { Stepper } from '../src/attacks/stepper.ts';
import { randomUniform } from '../src/kernels/random.ts';
import { CifarResNet } from '../src/models/cifar-resnet.ts';
import { Initialiser } from '../src/nn/initialisers.ts';
import { EVALUATION } from '../src/nn/module.ts';
import type { Device } from '../src/tensor/device.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { type Job, type Measured, type MeasureOptions, measure } from './measure.ts';
import { named } from './names.ts';
import { newTable, number } from './report.ts';

export interface AttackSize {
  readonly batch: number;
  readonly side: number;
  readonly depth: number;
  readonly width: number;
}

/** `small`: what the figures are of. `tiny`: that everything runs. */
export const ATTACK_SIZES: Readonly<Record<'small' | 'tiny', AttackSize>> = {
  small: { batch: 16, side: 32, depth: 20, width: 16 },
  tiny: { batch: 2, side: 8, depth: 8, width: 2 },
};

const at = (norm: Norm, epsilon: number) => ({ x: { epsilon, norm } });
const linf = at('linf', 8 / 255);
const steps = 10;

/** Runs of ten steps (FGSM: one), without early exits. */
export const attacks: Readonly<Record<string, Attack>> = {
  fgsm: fgsmAttack({ budgets: linf }),
  bim: bimAttack({ budgets: linf, steps }),
  'mi-fgsm': miFgsmAttack({ budgets: linf, steps }),
  'pgd-linf': pgdAttack({ budgets: linf, steps }),
  'pgd-l2': pgdAttack({ budgets: at('l2', 0.5), steps }),
  'pgd-l1': pgdAttack({ budgets: at('l1', 5), steps }),
  'cw-linf': cwInfAttack({ budgets: linf, steps }),
  'cw-l2': cwL2Attack({ budgets: at('l2', Number.POSITIVE_INFINITY), steps: 5, searches: 2 }),
  deepfool: deepFoolAttack({ budgets: at('l2', Number.POSITIVE_INFINITY), steps, candidates: 3 }),
  apgd: apgdAttack({ budgets: linf, steps }),
  'apgd-l2': apgdAttack({ budgets: at('l2', 0.5), steps }),
  'apgd-l1': apgdAttack({ budgets: at('l1', 5), steps }),
  'apgd-t': apgdAttack({ budgets: linf, steps, loss: dlrObjective, targets: 1 }),
  fab: fabAttack({ budgets: linf, steps, targets: 1 }),
  'fab-l2': fabAttack({ budgets: at('l2', 0.5), steps, targets: 1 }),
  square: squareAttack({ budgets: linf, queries: steps + 1 }),
  'square-l2': squareAttack({ budgets: at('l2', 0.5), queries: steps + 1 }),
};

export interface AttackLine {
  readonly attack: string;
  readonly batch: number;
  readonly steps: number;
  /** Of one run. */
  readonly measured: Measured;
  /** Samples × steps a second. */
  readonly rate: number;
}

/** Measures attacks by name. Throws `UserError` for a name that is none. */
export async function measureAttacks(
  device: Device,
  names: readonly string[],
  { size, ...options }: MeasureOptions & { readonly size: keyof typeof ATTACK_SIZES },
): Promise<AttackLine[]> {
  const recipes = names.map((name) => named(attacks, name, 'attack'));
  const { batch, ...network } = ATTACK_SIZES[size];
  const prepared = prepareAttacked(device, { batch, ...network });
  const steppers = names.map(() => new Stepper());
  const jobs = recipes.map(
    (recipe, i): Job => ({ run: () => runOnce(prepared, recipe, steppers[i] as Stepper) }),
  );
  try {
    const measured = await measure(device, jobs, options);
    return names.map((name, i) => lineOf(name, batch, measured[i] as Measured));
  } finally {
    for (const stepper of steppers) stepper.dispose();
    prepared.network.dispose();
    for (const tensor of [prepared.x, prepared.labels]) tensor.dispose();
    device.pool.clear();
  }
}

interface Prepared {
  readonly network: CifarResNet;
  readonly model: AttackModel;
  readonly x: Tensor;
  readonly labels: Tensor;
}

function prepareAttacked(device: Device, { batch, side, depth, width }: AttackSize): Prepared {
  const network = new CifarResNet(new Initialiser(device, 1), { depth, width });
  const model: AttackModel = {
    inputs: { x: [0, 1] },
    logits: ({ x }) => network.forward(x as Tensor, EVALUATION),
  };
  const x = randomUniform(device, [batch, side, side, 3], { seed: 2 });
  const labels = device.tensor(Int32Array.from({ length: batch }, (_, i) => i % 10));
  return { network, model, x, labels };
}

function runOnce({ model, x, labels }: Prepared, recipe: Attack, stepper: Stepper): void {
  const { problem } = makeProblem(model, { x }, { labels }, recipe.budgets);
  runAttack(recipe, problem, stepper);
}

function lineOf(attack: string, batch: number, measured: Measured): AttackLine {
  const taken = attacks[attack]?.steps ?? 0;
  return {
    ...{ attack, batch, steps: taken, measured },
    rate: (1000 * batch * taken) / measured.wall.median,
  };
}

const HEAD = ['attack', 'steps', 'ms', 'samples × steps / s', 'launches', 'outside kernels'];

export function formatAttacks(lines: readonly AttackLine[]): string {
  const table = newTable(HEAD, 1);
  for (const { attack, steps: taken, measured, rate } of lines) {
    const { outside } = measured;
    const share = outside === undefined ? '–' : `${(100 * outside).toFixed(0)} %`;
    table.push([
      attack,
      `${taken}`,
      number(measured.wall.median),
      number(rate),
      `${measured.dispatches}`,
      share,
    ]);
  }
  return `${table.toString()}\n`;
}
