import type { Attack } from '../../src/attacks/attack.ts';
import { fitted, runSteps, widened } from '../../src/attacks/loop.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import type { Track } from '../../src/attacks/track.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';
import { rows64 } from './tanh-net.ts';

export interface Subject {
  readonly model: AttackModel;
  readonly x: Tensor;
  readonly labels: Tensor;
  readonly targets?: Tensor;
}

export interface WalkOptions {
  readonly seed?: number;
  readonly run?: number;
  /** All of them when left out. */
  readonly steps?: number;
}

/** What `look` sees in the state of an attack at its start and after each step, with what is done between steps. */
export async function walk<S extends Track, R>(
  recipe: Attack<S>,
  { model, x, ...truth }: Subject,
  look: (state: S) => Promise<R>,
  { seed = 1, run = 0, steps = recipe.steps }: WalkOptions = {},
): Promise<R[]> {
  const fit = fitted(recipe, makeProblem(model, { x }, truth, recipe.budgets).problem);
  const stepper = new Stepper();
  let state = recipe.start(widened(recipe, fit, 1), run, seed);
  const seen = [await look(state)];
  for (let step = 0; step < steps; step++) {
    state = runSteps(recipe, fit, state, stepper, { from: step, to: step + 1, seed });
    seen.push(await look(state));
  }
  stepper.dispose();
  return seen;
}

/** Points of the only input as rows. */
export async function pointsOf({ points }: Track): Promise<number[][]> {
  const [x] = points as [Tensor];
  return rows64(await values(x), x.size / (x.shape[0] ?? 1));
}
