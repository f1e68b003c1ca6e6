import { afterAll, beforeAll, expect, test } from 'vitest';
import { attack } from '../../src/attacks/attacker.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { lengths, type Norm, perSample } from '../../src/attacks/norms.ts';
import { stopGradient } from '../../src/autograd/grad.ts';
import { add, equal, less, maximum, mul, sub, where } from '../../src/kernels/elementwise.ts';
import { oneHot, reshape } from '../../src/kernels/layout.ts';
import { randomNormal } from '../../src/kernels/random.ts';
import { argmax } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let plain: Linear;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  plain = linear(device, { n: 1, size: 8, classes: 4, spread: 1 });
});
afterAll(() => device.dispose());

/** How a sample hides from attacks, as an input that stays clean. */
const KINDS = { open: 0, saturated: 1, farFlat: 2, flat: 3, robust: 4 } as const;
type Kind = keyof typeof KINDS;

/**
 * The linear model. `saturated`: with logits so large that the cross-entropy has no gradient in f32, and none at all beyond ε, where
 * larger balls look; `farFlat`: without gradients farther than ε/2 from the clean point `home`, where APGD begins and FAB does
 * not; `flat`: without any; `robust`: always sure of the label.
 */
function hiding(norm: Norm, epsilon: number, label: number): AttackModel {
  return {
    inputs: { x: undefined, home: undefined, kind: undefined },
    logits(inputs) {
      const [x, home] = [inputs.x as Tensor, inputs.home as Tensor];
      const kind = reshape(inputs.kind as Tensor, [-1]);
      const is = (name: Kind) => equal(kind, KINDS[name]);
      const far = lengths(sub(stopGradient(x), home), norm);
      const within = (name: Kind, radius: number) => mul(is(name), less(far, radius * epsilon));
      const steep = maximum(is('open'), maximum(within('saturated', 1.01), within('farFlat', 0.5)));
      const seen = where(perSample(steep, x), x, stopGradient(x));
      const logits = plain.model.logits({ x: seen }, 0);
      const scaled = where(perSample(is('saturated'), logits), mul(logits, 1e5), logits);
      const sure = mul(oneHot(device.tensor(Int32Array.of(label)), 4), 1e3);
      return where(perSample(is('robust'), scaled), add(mul(scaled, 0), sure), scaled);
    },
  };
}

/** The same clean point in each of these kinds. */
async function hidden(norm: Norm, kinds: readonly Kind[]) {
  const epsilon = 1.2 * (plain.distances[norm][0] ?? 0);
  const [label = 0] = await plain.labels.read('i32');
  const row = await values(plain.x);
  const x = device.tensor(
    kinds.flatMap(() => row),
    [kinds.length, row.length],
  );
  const kind = device.tensor(
    kinds.map((name) => KINDS[name]),
    [kinds.length, 1],
  );
  const labels = device.tensor(Int32Array.from(kinds, () => label));
  return {
    model: hiding(norm, epsilon, label),
    inputs: { x, home: x, kind },
    labels,
    budgets: { x: { epsilon, norm } },
  };
}

async function expectFound(
  { model, inputs, labels, budgets }: Awaited<ReturnType<typeof hidden>>,
  version: 'standard' | 'rand',
  expected: readonly (string | undefined)[],
): Promise<void> {
  const found = await attack(model, autoAttack({ budgets, version }), inputs, { labels });
  expect(found.by).toEqual(expected);
  expect(found.success).toEqual(expected.map((by) => by !== undefined));
  const chosen = await values(argmax(model.logits(found.inputs, 0), { axes: 1 }));
  const truth = await values(labels);
  expect(chosen.map((choice, i) => choice !== truth[i])).toEqual(found.success);
  for (const size of found.norms.x ?? []) expect(size).toBeLessThanOrEqual(budgets.x.epsilon * (1 + 1e-4));
}

test.each(['linf', 'l1'] as const)(
  'in %s each of the four breaks what those before it leave',
  async (norm) => {
    const problem = await hidden(norm, ['flat', 'open', 'farFlat', 'saturated']);
    await expectFound(problem, 'standard', ['Square', 'APGD (cross-entropy)', 'FAB-T', 'APGD-T (DLR)']);
  },
);

test('for a random model both losses of APGD run, and what withstands both is robust', async () => {
  const { model, ...problem } = await hidden('l2', ['robust', 'saturated', 'open']);
  const random: AttackModel = {
    ...{ ...model, draws: 2 },
    logits: ({ x, ...rest }, seed) => {
      const noise = randomNormal(device, (x as Tensor).shape, { seed, stream: 9, std: 1e-3 });
      return model.logits({ ...rest, x: add(x as Tensor, noise) }, seed);
    },
  };
  await expectFound({ ...problem, model: random }, 'rand', [undefined, 'APGD (DLR)', 'APGD (cross-entropy)']);
});
