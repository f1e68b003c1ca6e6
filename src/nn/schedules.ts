/** Learning rate as a function of the step, which counts from 0. */
export type Schedule = (step: number) => number;

/** `floor + (base − floor) (1 + cos(π step / total)) / 2`, and `floor` afterwards (Loshchilov and Hutter 2017). */
export function cosine(base: number, total: number, floor = 0): Schedule {
  return (step) =>
    floor + ((base - floor) * (1 + Math.cos(Math.PI * Math.min(step / Math.max(total, 1), 1)))) / 2;
}

/** `base · factor^k` after k of the milestones have been reached. */
export function stepDecay(base: number, milestones: readonly number[], factor = 0.1): Schedule {
  return (step) => base * factor ** milestones.filter((milestone) => step >= milestone).length;
}

/** Rises linearly to `schedule` over the first `steps` steps. */
export function warmUp(schedule: Schedule, steps: number): Schedule {
  return (step) => schedule(step) * Math.min((step + 1) / Math.max(steps, 1), 1);
}
