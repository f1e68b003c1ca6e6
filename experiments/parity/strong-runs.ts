import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { dlrObjective } from '../../src/attacks/losses.ts';
import { attackModel } from '../../src/attacks/model.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import type { AttackBudgets } from '../../src/attacks/problem.ts';
import type { AttackOutcome } from '../../src/attacks/progress.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { upload } from './data.ts';
import type { AttackRun } from './runs.ts';
import type { Subject } from './subject.ts';

type Recipe = (budgets: AttackBudgets) => Attack | readonly Attack[];

/** All images in one batch: it gets smaller as they fall. */
async function outcome(subject: Subject, recipe: Attack | readonly Attack[]): Promise<AttackOutcome> {
  const { device, network, images } = subject;
  const model = attackModel({ x: [0, 1] }, ({ x }) => network.forward(x, EVALUATION));
  return device.scope(async () => {
    const { x, labels } = upload(device, images, 0, images.labels.length);
    const found = await attack(model, recipe, { x }, { labels });
    found.inputs.x?.dispose();
    return found;
  });
}

/** Robust accuracy at ε of half a grey level and of one, in ℓ∞. */
function atHalfLevels(name: string, options: AttackRun['options'], recipe: Recipe): AttackRun {
  return {
    name,
    options,
    measure: async (subject) => {
      const found: Record<string, number> = {};
      for (const level of [0.5, 1]) {
        subject.onProgress?.(`${name} ${level}/255`);
        const { success } = await outcome(subject, recipe({ x: { epsilon: level / 255 } }));
        found[`${level}/255`] = success.filter((fooled) => !fooled).length / success.length;
      }
      return found;
    },
  };
}

/** Mean norm of the smallest changes, over the images that are right as they are and were fooled, and their share of these. */
function smallest(
  name: string,
  norms: readonly Norm[],
  options: AttackRun['options'],
  recipe: Recipe,
): AttackRun {
  return {
    name,
    options,
    measure: async (subject) => {
      const found: Record<string, number> = {};
      for (const norm of norms) {
        subject.onProgress?.(`${name} ${norm}`);
        const budgets = { x: { epsilon: Number.POSITIVE_INFINITY, norm } };
        const { by, norms: sizes } = await outcome(subject, recipe(budgets));
        const right = by.flatMap((one, i) => (one === 'clean' ? [] : [i]));
        const fooled = right.filter((i) => by[i] !== undefined);
        found[`mean ${norm}`] = fooled.reduce((sum, i) => sum + (sizes.x?.[i] ?? 0), 0) / fooled.length;
        found[`fooled ${norm}`] = fooled.length / right.length;
      }
      return found;
    },
  };
}

const CW = { searches: 9, steps: 50, c: 0.01, learningRate: 0.01 };
const DEEP_FOOL = { steps: 50, overshoot: 0.02, candidates: 9 };
const APGD = { steps: 100, restarts: 1 };
const FAB = { steps: 100, restarts: 1, targets: 9 };
const SQUARE = { queries: 1000 };
const AUTO = { version: 'standard' } as const;

/** Attacks that take minutes on a GPU and hours on a software adapter. */
export const STRONG_RUNS: readonly AttackRun[] = [
  smallest('cw-l2', ['l2'], CW, (budgets) => cwL2Attack({ budgets, ...CW })),
  smallest('deepfool', ['l2', 'linf'], DEEP_FOOL, (budgets) => deepFoolAttack({ budgets, ...DEEP_FOOL })),
  atHalfLevels('apgd-ce', APGD, (budgets) => apgdAttack({ budgets, ...APGD })),
  atHalfLevels('apgd-t', { ...APGD, loss: 'dlr', targets: 9 }, (budgets) =>
    apgdAttack({ budgets, ...APGD, loss: dlrObjective, targets: 9 }),
  ),
  atHalfLevels('fab-t', FAB, (budgets) => fabAttack({ budgets, ...FAB })),
  atHalfLevels('square', SQUARE, (budgets) => squareAttack({ budgets, ...SQUARE })),
  atHalfLevels('autoattack', AUTO, (budgets) => autoAttack({ budgets, ...AUTO })),
];
