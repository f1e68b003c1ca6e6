import { check, checkNames, need } from '../errors.ts';
import { abs, greater } from '../kernels/elementwise.ts';
import { max } from '../kernels/reduce.ts';
import { Tensor } from '../tensor/tensor.ts';
import { apgdAttack } from './apgd.ts';
import type { Attack } from './attack.ts';
import { Attacker } from './attacker.ts';
import { fgsmAttack } from './first-order.ts';
import { cleanStart, iterativeAttack } from './iterative.ts';
import { type AttackObjective, crossEntropyObjective, marginObjective } from './losses.ts';
import { type AttackInputs, type AttackModel, checkInputs, checkModalities } from './model.ts';
import { checkBall, elementsOf, type Norm, rowsOf, wholeRange } from './norms.ts';
import { type AttackBudgets, checkCount, checkOption, makeProblem } from './problem.ts';
import { checkBudgets } from './recipe.ts';
import { squareAttack } from './square.ts';
import { climb } from './track.ts';

const OP = 'auditRobustness';

/** Samples to audit with, one batch. */
export interface AuditBatch {
  readonly inputs: AttackInputs;
  /** i32 [N]. */
  readonly labels: Tensor;
}

export interface AuditOptions {
  /** What the robust accuracy is claimed for. */
  readonly budgets: AttackBudgets;
  /** Of PGD; 10 when left out. It is compared with one step, and with four times as many. */
  readonly steps?: number;
  /** Of the black-box attack; 300 when left out. */
  readonly queries?: number;
  /** Share of the samples by which a relation may fail by chance; 0.02 when left out, and always one sample. */
  readonly tolerance?: number;
  readonly seed?: number;
}

/** One item of the list. */
export interface AuditCheck {
  readonly name: 'clean' | 'steps' | 'radius' | 'unbounded' | 'black box' | 'APGD' | 'zero gradients';
  readonly suspicious: boolean;
  /** What was found, and what to think of it. */
  readonly sentence: string;
}

export interface RobustnessAudit {
  readonly samples: number;
  /** Share of the samples that are right, by attack: `clean`, `FGSM`, `PGD-10`, `PGD-40`, `PGD-10 at 2ε` … */
  readonly accuracy: Readonly<Record<string, number>>;
  /** Share of the samples, right ones only, whose input gradient of the cross-entropy is zero throughout. */
  readonly zeroGradients: number;
  readonly checks: readonly AuditCheck[];
  /** The sentences of the checks that failed; none for a network that has learnt something and masks nothing. */
  readonly suspicious: readonly string[];
}

/**
 * Looks for gradient masking: a network that only seems robust, because attacks that follow its gradient fail (Athalye et al. 2018,
 * section 3.1; Carlini et al. 2019, section 4). More steps and a larger ε must never raise accuracy, an unbounded ε must bring it to
 * 0, no black-box attack may beat the white-box one, APGD must do at least as well as PGD, and gradients must not vanish; and where
 * clean accuracy is not above chance, none of it means anything. Throws what
 * attacks throw, and `ShapeError` without samples.
 */
export async function auditRobustness(
  model: AttackModel,
  data: AuditBatch | readonly AuditBatch[],
  options: AuditOptions,
): Promise<RobustnessAudit> {
  checkNames(OP, options, ['budgets', 'steps', 'queries', 'tolerance', 'seed']);
  checkBudgets(OP, options.budgets);
  const batches = Array.isArray(data) ? data : [data as AuditBatch];
  for (const batch of batches) {
    need(Object(batch) === batch, OP, 'samples { inputs, labels }', batch);
    checkInputs(OP, model, batch.inputs);
    need(batch.labels instanceof Tensor, OP, 'labels, a Tensor i32 [N]', batch.labels);
  }
  const samples = batches.reduce((sum, { labels }) => sum + labels.size, 0);
  check(samples > 0, OP, () => 'needs at least one sample');
  const { budgets, steps = 10, queries = 300, tolerance = 0.02, seed = 0 } = options;
  checkCount(OP, 'steps', steps, 2);
  checkCount(OP, 'queries', queries, 1);
  checkOption(OP, 'tolerance', tolerance, 0, 1);
  checkModalities(OP, model, Object.keys(budgets));
  const most = largestBalls(model, batches, budgets);
  for (const [name, budget] of Object.entries(budgets))
    checkBall(OP, { ...budget, range: model.inputs[name] }, `${name}: `, leastElements(batches, name));
  const accuracyUnder = (...attacks: readonly Attack[]) => measure(model, batches, attacks, seed);
  const pgd = (scaled: AttackBudgets, count: number) => accuracyUnder(climber(scaled, count));
  const wide = await unbounded(model, batches, budgets);
  const many = 4 * steps;
  const accuracy: Record<string, number> = {
    clean: await accuracyUnder(climber(budgets, 0)),
    FGSM: await accuracyUnder(fgsmAttack({ budgets })),
    [`PGD-${steps}`]: await pgd(budgets, steps),
    [`PGD-${many}`]: await pgd(budgets, many),
    [`PGD-${steps} at 2ε`]: await pgd(times(budgets, 2, most), steps),
    [`PGD-${steps} at 4ε`]: await pgd(times(budgets, 4, most), steps),
    'PGD at any ε': await accuracyUnder(climber(wide, many), climber(wide, many, marginObjective)),
    'black box': await accuracyUnder(squareAttack({ budgets, queries })),
    APGD: await accuracyUnder(apgdAttack({ budgets, steps: many })),
  };
  const { zero, classes } = await zeroGradients(model, batches, budgets);
  const slack = Math.max(tolerance, 1 / samples) + 1e-9;
  const checks = [
    learnt(accuracy.clean ?? Number.NaN, classes),
    rising('steps', accuracy, ['FGSM', `PGD-${steps}`, `PGD-${many}`], slack),
    rising('radius', accuracy, ['clean', `PGD-${steps}`, `PGD-${steps} at 2ε`, `PGD-${steps} at 4ε`], slack),
    bounded(accuracy, slack),
    beaten(accuracy, `PGD-${many}`, slack),
    rising('APGD', accuracy, [`PGD-${many}`, 'APGD'], slack),
    vanishing(zero, slack),
  ];
  const suspicious = checks.flatMap((item) => (item.suspicious ? [item.sentence] : []));
  return { samples, accuracy, zeroGradients: zero, checks, suspicious };
}

/** Share of the samples that none of the attacks fools. */
async function measure(
  model: AttackModel,
  batches: readonly AuditBatch[],
  attacks: readonly Attack[],
  seed: number,
): Promise<number> {
  const blind = attacks.map((attack) => ({ ...attack, blind: true }));
  const attacker = new Attacker(model, blind);
  let [right, all] = [0, 0];
  try {
    for (const { inputs, labels } of batches) {
      const { success, inputs: moved } = await attacker.attack(inputs, { labels, seed });
      for (const tensor of Object.values(moved)) tensor.dispose();
      right += success.filter((fooled) => !fooled).length;
      all += success.length;
    }
  } finally {
    attacker.dispose();
  }
  return right / all;
}

/** PGD with steps of 2.5 ε / steps, from the clean sample. */
function climber(
  budgets: AttackBudgets,
  steps: number,
  loss: AttackObjective = crossEntropyObjective,
): Attack {
  const own = Object.entries(budgets).map(([name, budget]) => [name, { ...budget, stepSize: undefined }]);
  const relativeStep = Math.min(1, 2.5 / Math.max(steps, 1));
  const parts = { steps, loss, relativeStep, start: cleanStart };
  return iterativeAttack({ name: `PGD-${steps}`, budgets: Object.fromEntries(own), ...parts });
}

/** Balls so many times as large; Infinity, the whole range, where that would bound nothing. */
function times(
  budgets: AttackBudgets,
  factor: number,
  most: Readonly<Record<string, number>>,
): AttackBudgets {
  const pairs = Object.entries(budgets).map(([name, budget]) => {
    const epsilon = factor * budget.epsilon;
    return [name, { ...budget, epsilon: epsilon > (most[name] ?? 0) ? Number.POSITIVE_INFINITY : epsilon }];
  });
  return Object.fromEntries(pairs);
}

/** The largest ε that bounds something, by modality; Infinity where a range has no ends. */
function largestBalls(model: AttackModel, batches: readonly AuditBatch[], budgets: AttackBudgets) {
  const pairs = Object.entries(budgets).map(([name, { norm }]) => {
    const ball = { norm, range: model.inputs[name] };
    return [name, wholeRange(ball, leastElements(batches, name))] as const;
  });
  return Object.fromEntries(pairs);
}

/** Of a sample of a modality, in the batch where they are fewest. */
function leastElements(batches: readonly AuditBatch[], name: string): number {
  return Math.min(...batches.flatMap(({ inputs }) => inputs[name] ?? []).map(elementsOf));
}

/** Budgets without effect: the whole range of an input, or ten times its largest value where it has none. */
async function unbounded(
  model: AttackModel,
  batches: readonly AuditBatch[],
  budgets: AttackBudgets,
): Promise<AttackBudgets> {
  const wide: [string, AttackBudgets[string]][] = [];
  for (const [name, budget] of Object.entries(budgets)) {
    const [low, high] = model.inputs[name] ?? [0, Number.POSITIVE_INFINITY];
    const inputs = batches.flatMap(({ inputs: all }) => all[name] ?? []);
    const ends = Number.isFinite(high - low);
    const most = ends ? Number.POSITIVE_INFINITY : await beyond(inputs, budget.norm);
    // A modality that stays clean does so here too.
    wide.push([name, { ...budget, epsilon: budget.epsilon > 0 ? most : 0 }]);
  }
  return Object.fromEntries(wide);
}

/** An ε that takes every element ten times as far as the largest is from 0. */
async function beyond(inputs: readonly Tensor[], norm: Norm | undefined): Promise<number> {
  let reach = 0;
  for (const x of inputs) reach = Math.max(reach, 10 * (await x.device.scope(() => max(abs(x)).item())));
  return wholeRange({ norm, range: [0, reach] }, Math.max(...inputs.map(elementsOf)));
}

/** Share of the samples that are right and have no gradient at all; and of how many classes they are. */
async function zeroGradients(
  model: AttackModel,
  batches: readonly AuditBatch[],
  budgets: AttackBudgets,
): Promise<{ readonly zero: number; readonly classes: number }> {
  let [zero, right, classes] = [0, 0, 0];
  for (const { inputs, labels } of batches) {
    const flags = await labels.device.scope(async () => {
      const { problem } = makeProblem(model, inputs, { labels }, budgets, OP);
      classes = problem.classes;
      const { logits, grads } = climb(problem, problem.origins, crossEntropyObjective, 0);
      const sizes = grads.map((grad) => max(abs(rowsOf(grad)), { axes: 1 }));
      const margins = marginObjective.loss({ logits, labels, points: [], origins: [] });
      // NaN is not above 0 either.
      const none = await Promise.all(sizes.map((size) => greater(size, 0).read()));
      return { none, margins: await margins.read() };
    });
    for (const [i, margin] of flags.margins.entries()) {
      if (!(margin < 0)) continue;
      right++;
      if (flags.none.every((flag) => flag[i] === 0)) zero++;
    }
  }
  return { zero: right === 0 ? 0 : zero / right, classes };
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

const REASONS = {
  steps: 'more steps must never help a network; the gradient does not lead uphill, or the step size is wrong',
  radius: 'a larger ball holds the smaller one; the attack loses its way, so the gradient misleads it',
  APGD: 'APGD chooses its own step size and must do at least as well; PGD was not run well, or the loss is jagged',
} as const;

/** Whether there is anything to attack. */
function learnt(clean: number, classes: number): AuditCheck {
  const suspicious = !(clean > 1 / classes);
  const told = `Of the samples as they are ${percent(clean)} are right, of ${classes} classes chance alone gives ${percent(1 / classes)}`;
  const sentence = suspicious
    ? `${told}: robust accuracy, and all that follows, means nothing then. Look at the labels, at how inputs are scaled, and whether the weights are loaded.`
    : `${told}.`;
  return { name: 'clean', suspicious, sentence };
}

/** Whether accuracy rises along attacks of which each must do at least as well as the one before. */
function rising(
  name: keyof typeof REASONS,
  accuracy: Readonly<Record<string, number>>,
  order: readonly string[],
  slack: number,
): AuditCheck {
  const shares = order.map((attack) => accuracy[attack] ?? Number.NaN);
  const worst = shares.findIndex((share, i) => share > Math.min(...shares.slice(0, i)) + slack);
  const listed = order.map((attack, i) => `${attack} ${percent(shares[i] ?? 0)}`).join(', ');
  const suspicious = worst > 0;
  const sentence = suspicious
    ? `Accuracy rises with a stronger attack (${listed}): ${REASONS[name]}.`
    : `Accuracy never rises with a stronger attack (${listed}).`;
  return { name, suspicious, sentence };
}

function bounded(accuracy: Readonly<Record<string, number>>, slack: number): AuditCheck {
  const left = accuracy['PGD at any ε'] ?? Number.NaN;
  const suspicious = !(left <= slack);
  const sentence = suspicious
    ? `${percent(left)} are still right when ε has no bound: every network can be fooled then, so the gradient does not show the way.`
    : `Without a bound on ε accuracy falls to ${percent(left)}.`;
  return { name: 'unbounded', suspicious, sentence };
}

function beaten(accuracy: Readonly<Record<string, number>>, white: string, slack: number): AuditCheck {
  const [blind, seeing] = [accuracy['black box'] ?? Number.NaN, accuracy[white] ?? Number.NaN];
  const suspicious = !(blind >= seeing - slack);
  const told = `an attack without gradients leaves ${percent(blind)} right, ${white} with gradients ${percent(seeing)}`;
  const sentence = suspicious
    ? `Searching blindly beats following the gradient (${told}): the gradient is masked.`
    : `Searching blindly does not beat following the gradient (${told}).`;
  return { name: 'black box', suspicious, sentence };
}

function vanishing(share: number, slack: number): AuditCheck {
  const suspicious = !(share <= slack);
  const sentence = suspicious
    ? `For ${percent(share)} of the samples that are right the gradient is zero throughout: attacks on the cross-entropy cannot move them. Look for steps and quantisation in the network, and for logits so large that the softmax saturates; attack the margin of the logits instead.`
    : `The gradient is zero throughout for ${percent(share)} of the samples that are right.`;
  return { name: 'zero gradients', suspicious, sentence };
}
