// The attacks' part of the public surface.
export { type ApgdOptions, apgdAttack } from './apgd.ts';
export type { Attack, Interlude } from './attack.ts';
export { Attacker, type AttackerOptions, type AttackOptions, attack } from './attacker.ts';
export {
  type AuditBatch,
  type AuditCheck,
  type AuditOptions,
  auditRobustness,
  type RobustnessAudit,
} from './audit.ts';
export { type AutoAttackOptions, autoAttack } from './auto-attack.ts';
export { type BoneLengthOptions, boneLengthAttack } from './bone-length.ts';
export { bonePgdAttack } from './bone-pgd.ts';
export { type CwL2Options, cwL2Attack } from './cw.ts';
export { type DeepFoolOptions, deepFoolAttack } from './deep-fool.ts';
export { type FabOptions, fabAttack } from './fab.ts';
export { fgsm } from './fgsm.ts';
export {
  bimAttack,
  cwInfAttack,
  type FgsmAttackOptions,
  fgsmAttack,
  type IterativeOptions,
  miFgsmAttack,
  type PgdAttackOptions,
  pgdAttack,
} from './first-order.ts';
export {
  ballStart,
  type Constraint,
  cleanStart,
  type Direction,
  iterativeAttack,
  type Parts,
  type Start,
} from './iterative.ts';
export { runAttack } from './loop.ts';
export {
  type AttackObjective,
  crossEntropyObjective,
  dlrObjective,
  type Evaluated,
  marginObjective,
} from './losses.ts';
export { type AttackInputs, type AttackModel, attackModel, type ValueRange } from './model.ts';
export { ascend, type Budget, type Norm, project, randomStart } from './norms.ts';
export {
  type Attacked,
  type AttackLoss,
  type JointOptions,
  type PgdOptions,
  pgd,
  pgdJoint,
} from './pgd.ts';
export { type Iterate, PgdAttack, type PgdBudget, type PgdRunOptions } from './pgd-attack.ts';
export {
  type AttackBudget,
  type AttackBudgets,
  type Moved,
  makeProblem,
  type Problem,
  type ProblemTensors,
  type Truth,
} from './problem.ts';
export type { AttackOutcome } from './progress.ts';
export {
  boneLengths,
  boneVectors,
  type PerceptualOptions,
  perceptualDistance,
  type SkeletonOptions,
} from './skeleton.ts';
export { type SmartOptions, smartAttack } from './smart.ts';
export { type SquareOptions, squareAttack } from './square.ts';
export { type Step, type StepKind, Stepper, type StepSeed } from './stepper.ts';
export type { Track } from './track.ts';
