import type { AttackRun, Evaluation } from './evaluate-model.ts';
import { idOf } from './train-model.ts';

/** f32 rounding of x ± ε for |x| up to a few metres. */
const ROUNDING = 1e-6;
/** Random starts differ between sizes, so a single sample may go either way. */
const SLACK = 1.5;

/**
 * Everything that must hold for an attack that works, and does not here; one line each. A figure that is no number
 * violates whatever must hold of it.
 */
export function findViolations(evaluations: readonly Evaluation[]): string[] {
  return evaluations.flatMap((evaluation) => {
    const found = [
      ...evaluation.attacks.flatMap(perturbationViolations),
      ...evaluation.attacks.flatMap(lossViolations),
      ...monotonicityViolations(evaluation),
      ...strengthViolations(evaluation),
      ...unlimitedViolations(evaluation),
      ...maskingViolations(evaluation),
    ];
    return found.map((line) => `${idOf(evaluation.plan)}: ${line}`);
  });
}

function nameOf({ attack, on, level }: AttackRun): string {
  return `${attack} on ${on}, level ${level + 1}`;
}

function perturbationViolations(run: AttackRun): string[] {
  const { distance, pixelRange } = run.result;
  const tooFar = (['rgb', 'skeleton'] as const)
    .filter((modality) => !((distance[modality] ?? 0) <= (run.budget[modality] ?? 0) + ROUNDING))
    .map(
      (modality) =>
        `${nameOf(run)} moved ${modality} by ${distance[modality]}, beyond ε = ${run.budget[modality] ?? 0}`,
    );
  const [low, high] = pixelRange ?? [0, 1];
  return !(low >= 0 && high <= 1) ? [...tooFar, `${nameOf(run)} made pixels in [${low}, ${high}]`] : tooFar;
}

function lossViolations(run: AttackRun): string[] {
  const losses = run.result.lossByStep;
  const moves = Object.values(run.budget).some((epsilon) => (epsilon ?? 0) > 0);
  if (!moves) return [];
  const text = `(${losses.map((loss) => loss.toFixed(3)).join(' → ')})`;
  const [first = 0, last = 0] = [losses[0], losses.at(-1)];
  if (!(last > first)) return [`${nameOf(run)} did not raise the loss ${text}`];
  const half = Math.floor(losses.length / 2);
  if (!(sum(losses.slice(-half)) > sum(losses.slice(0, half))))
    return [`${nameOf(run)}: the loss does not go on rising with the steps ${text}`];
  return [];
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function robustCount(run: AttackRun): number {
  return run.result.robust.filter(Boolean).length;
}

function monotonicityViolations({ attacks }: Evaluation): string[] {
  return attacks.flatMap((run) => {
    const next = attacks.find(
      (other) => other.attack === run.attack && other.on === run.on && other.level === run.level + 1,
    );
    if (!next || robustCount(next) <= robustCount(run) + SLACK) return [];
    return [
      `${nameOf(next)} left more samples robust (${robustCount(next)}) than the smaller ε (${robustCount(run)})`,
    ];
  });
}

/** PGD of many steps includes what FGSM can do. */
function strengthViolations({ attacks }: Evaluation): string[] {
  const single = attacks.filter(({ attack }) => attack === 'fgsm');
  return single.flatMap((weak) => {
    const strong = attacks.filter(
      ({ attack, on, level }) => attack !== 'fgsm' && on === weak.on && level === weak.level,
    );
    return strong
      .filter((run) => robustCount(run) > robustCount(weak) + SLACK)
      .map(
        (run) =>
          `${nameOf(run)} left more samples robust (${robustCount(run)}) than fgsm (${robustCount(weak)})`,
      );
  });
}

function unlimitedViolations({ unlimited }: Evaluation): string[] {
  const share = unlimited.robust.filter(Boolean).length / unlimited.robust.length;
  return !(share <= 0.1)
    ? [
        `an unlimited attack left ${Math.round(100 * share)} % of the samples robust: gradients may be masked, or the steps too few`,
      ]
    : [];
}

function maskingViolations({ attacks }: Evaluation): string[] {
  return attacks
    .filter(({ result }) => result.zeroGradients !== 0)
    .map((run) => {
      const count = Math.round(run.result.zeroGradients * run.result.robust.length);
      return `${nameOf(run)}: ${count} samples had an input gradient that is zero or no number, so this attack was blind to them`;
    });
}
