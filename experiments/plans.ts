import { UsageError } from './errors.ts';
import type { ModelName, RunOptions, Training } from './options.ts';
import type { Phase } from './presets.ts';

/** One network to train. */
export interface Plan {
  readonly model: ModelName;
  readonly train: Training;
}

const isFusion = ({ model }: Plan): boolean => model === 'concat' || model === 'amr';

export function phaseOf(plan: Plan): Phase {
  if (plan.train !== 'natural') return 'pgd';
  return isFusion(plan) ? 'fusion' : 'natural';
}

/**
 * The networks whose weights a network starts from: adversarial training from the naturally trained network (AMR from
 * the concatenation it is plugged into), two streams from each stream alone.
 */
export function sourcesOf(plan: Plan): Plan[] {
  if (plan.train !== 'natural')
    return [{ model: plan.model === 'amr' ? 'concat' : plan.model, train: 'natural' }];
  if (!isFusion(plan)) return [];
  return [
    { model: 'rgb', train: 'natural' },
    { model: 'skeleton', train: 'natural' },
  ];
}

/** The plans and all they start from, sources first, each once. */
export function withSources(plans: readonly Plan[]): Plan[] {
  const all = new Map<string, Plan>();
  const visit = (plan: Plan) => {
    for (const source of sourcesOf(plan)) visit(source);
    all.set(`${plan.model}-${plan.train}`, plan);
  };
  for (const plan of plans) visit(plan);
  return [...all.values()];
}

const STANDARD: readonly Plan[] = [
  { model: 'rgb', train: 'natural' },
  { model: 'skeleton', train: 'natural' },
  { model: 'concat', train: 'natural' },
  { model: 'concat', train: 'pgd' },
  { model: 'amr', train: 'pgd' },
];

const bothWays = (model: ModelName): Plan[] => [
  { model, train: 'natural' },
  { model, train: 'pgd' },
];

/**
 * What is compared: five networks, or where there is one modality its network trained both ways;
 * as far as the command line asks for it. Throws `UsageError` when it asks for what the data lack a modality for.
 */
export function planFor(options: RunOptions, available: readonly ModelName[]): Plan[] {
  const wanted = options.models ?? available;
  const beyond = wanted.filter((model) => !available.includes(model));
  if (beyond.length > 0)
    throw new UsageError(
      `only ${available.join(', ')} can be trained on these data; leave ${beyond.join(', ')} out of --models`,
    );
  if (options.train) return wanted.map((model) => ({ model, train: options.train as Training }));
  const single = available.length === 1;
  return (single ? wanted.flatMap(bothWays) : STANDARD).filter(({ model }) => wanted.includes(model));
}
