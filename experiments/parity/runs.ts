import { fgsm } from '../../src/attacks/fgsm.ts';
import { pgd } from '../../src/attacks/pgd.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { accuracy, type Subject } from './subject.ts';

/** What an attack leaves of a network, by the name it has in the JSON file and on the command line. */
export interface AttackRun {
  readonly name: string;
  /** What the attack is made with, kept beside its figures: they are of these options and no others. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** Figures by what they belong to: robust accuracy by ε, such as `{ "8/255": 0.1 }`. */
  measure(subject: Subject): Promise<Record<string, number>>;
}

const RANGE = [0, 1] as const;
/** ε in steps of one grey level. */
const LEVELS = [1, 2, 4, 8];

/** Robust accuracy at each level of ε under an attack on batches of images. */
function atLevels(
  name: string,
  options: AttackRun['options'],
  attack: (loss: (x: Tensor) => Tensor, x: Tensor, epsilon: number) => Tensor,
): AttackRun {
  return {
    name,
    options,
    measure: async (subject) => {
      const found: Record<string, number> = {};
      for (const level of LEVELS) {
        subject.onProgress?.(`${name} ${level}/255`);
        found[`${level}/255`] = await accuracy(subject, (x, labels) => {
          const loss = (moved: Tensor) => crossEntropy(subject.network.forward(moved, EVALUATION), labels);
          return attack(loss, x, level / 255);
        });
      }
      return found;
    },
  };
}

const PGD = { steps: 10, randomStart: false } as const;

/** The attacks of the table, in its order. */
export const RUNS: readonly AttackRun[] = [
  atLevels('fgsm', {}, (loss, x, epsilon) => fgsm(loss, x, { epsilon, range: RANGE })),
  atLevels('pgd10', { ...PGD, stepSize: 'epsilon / 4' }, (loss, x, epsilon) =>
    pgd(loss, x, { epsilon, range: RANGE, ...PGD, stepSize: epsilon / 4 }),
  ),
];
