import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apgdAttack } from '../../src/attacks/apgd.ts';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { auditRobustness } from '../../src/attacks/audit.ts';
import { autoAttack } from '../../src/attacks/auto-attack.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { fgsm } from '../../src/attacks/fgsm.ts';
import { fgsmAttack, pgdAttack } from '../../src/attacks/first-order.ts';
import { runAttack } from '../../src/attacks/loop.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { pgd } from '../../src/attacks/pgd.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { squareAttack } from '../../src/attacks/square.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { stopGradient, valueAndGrad } from '../../src/autograd/grad.ts';
import { AttackError } from '../../src/errors.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';

let device: Device;
let net: Linear;
let cut: AttackModel;
beforeAll(async () => {
  device = await openTestDevice();
  net = linear(device, { n: 4, size: 6, classes: 4, range: [0, 1] });
  cut = {
    inputs: net.model.inputs,
    logits: ({ x }, seed) => net.model.logits({ x: stopGradient(x as Tensor) }, seed),
  };
});
afterAll(() => device.dispose());

const MESSAGE = 'no gradient flows from the loss to the attacked inputs';
const budgets = { x: { epsilon: 0.3, norm: 'l2' } } as const;

describe('a model that no gradient flows through', () => {
  test.each<[string, Attack | readonly Attack[]]>([
    ['FGSM', fgsmAttack({ budgets })],
    ['PGD', pgdAttack({ budgets })],
    ['APGD (cross-entropy)', apgdAttack({ budgets, steps: 5 })],
    ['CW ℓ2', cwL2Attack({ budgets })],
    ['DeepFool', deepFoolAttack({ budgets })],
    ['FAB-T', fabAttack({ budgets })],
    ['APGD (cross-entropy)', autoAttack({ budgets })],
  ])('%s says so, captured or not', async (op, recipe) => {
    for (const captured of [true, false]) {
      const error: unknown = await attack(cut, recipe, { x: net.x }, { labels: net.labels, captured }).catch(
        (cause: unknown) => cause,
      );
      expect(error).toBeInstanceOf(AttackError);
      expect(String(error)).toMatch(`${op}: ${MESSAGE}`);
      expect(String(error)).toMatch(/squareAttack .* auditRobustness/);
    }
    // The device works on.
    await attack(net.model, pgdAttack({ budgets, steps: 2 }), { x: net.x }, { labels: net.labels });
  });

  test('so do functions on a loss, and attacks inside a captured step', () => {
    const loss = (x: Tensor) => sum(stopGradient(x));
    expect(() => fgsm(loss, net.x, { epsilon: 0.1 })).toThrow(new RegExp(`pgd: ${MESSAGE}`));
    expect(() => pgd(loss, net.x, { epsilon: 0.1, steps: 2 })).toThrow(AttackError);
    const run = (x: Tensor) => {
      const { problem } = makeProblem(cut, { x }, { labels: net.labels }, budgets);
      return runAttack(pgdAttack({ budgets, steps: 2 }), problem, new Stepper()).success;
    };
    expect(() => capture(run)(net.x)).toThrow(new RegExp(`PGD: ${MESSAGE}`));
    // A path to what another gradient is taken by is none to what is attacked.
    const weight = device.tensor([2]);
    const outer = () => sum(pgd((x) => sum(mul(stopGradient(x), weight)), net.x, { epsilon: 0.1, steps: 1 }));
    expect(() => valueAndGrad(outer, [weight])).toThrow(AttackError);
  });

  test('Square and audits work on it', async () => {
    const inputs = { x: net.x };
    const found = await attack(cut, squareAttack({ budgets, queries: 40 }), inputs, { labels: net.labels });
    expect(found.success).toHaveLength(4);
    const audit = await auditRobustness(
      cut,
      { inputs, labels: net.labels },
      { budgets, steps: 2, queries: 5 },
    );
    expect(audit.zeroGradients).toBe(1);
    expect(audit.suspicious.join(' ')).toMatch(/For 100.0 % of the samples .* gradient is zero throughout/);
  });
});
