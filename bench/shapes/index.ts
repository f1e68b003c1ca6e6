import { families as tested } from '../../test/ops/index.ts';
import { type BenchCase, fromOpCase } from '../case.ts';
import { UserError } from '../exit.ts';
import { nearCommand } from '../names.ts';
import { channelMatmuls, convolutions, graphConvolutions, matmuls } from './product.ts';
import { elementwise, layouts, losses, norms, pools, reductions, softmaxes, updates } from './row.ts';
import { attentions, gradients, steps } from './whole.ts';

/** The fixed workloads by op family; those of `grad` and `steps` span several. */
export const shapes: Readonly<Record<string, readonly BenchCase[]>> = {
  matmul: matmuls,
  conv: convolutions,
  'graph-conv': graphConvolutions,
  'channel-matmul': channelMatmuls,
  attention: attentions,
  softmax: softmaxes,
  norm: norms,
  reduce: reductions,
  elementwise,
  layout: layouts,
  pool: pools,
  loss: losses,
  update: updates,
  grad: gradients,
  steps,
};

/** The cases of test/ops by op family. */
export const opCases: Readonly<Record<string, readonly BenchCase[]>> = Object.fromEntries(
  Object.entries(tested).map(([family, cases]) => [family, cases.map((test) => fromOpCase(family, test))]),
);

/**
 * What `ops` name in `families`: a family, or a part of a workload's name; everything when nothing is named. Throws
 * `UserError` for a name that fits nothing.
 */
export function select(
  families: Readonly<Record<string, readonly BenchCase[]>>,
  ops: readonly string[],
): BenchCase[] {
  const all = Object.values(families).flat();
  if (ops.length === 0) return all;
  const chosen = new Set<BenchCase>();
  for (const op of ops) {
    // Any name has an empty part.
    const fitting = op === '' ? [] : all.filter(({ name }) => name.includes(op));
    const found = Object.hasOwn(families, op) ? (families[op] ?? []) : fitting;
    if (found.length === 0) throw new UserError(namesNothing(op, Object.keys(families)));
    for (const test of found) chosen.add(test);
  }
  return [...chosen];
}

/** Those to measure: on a software adapter heavy ones only where `ops` has their whole name. */
export function measurable(
  cases: readonly BenchCase[],
  ops: readonly string[],
  software: boolean,
): BenchCase[] {
  return cases.filter(({ name, heavy }) => !software || !heavy || ops.includes(name));
}

function namesNothing(op: string, families: readonly string[]): string {
  const command = nearCommand(op);
  if (command !== undefined) return `'${op}' names no workload; did you mean the command '${command}'?`;
  return `'${op}' names no workload; families are ${families.join(', ')}`;
}
