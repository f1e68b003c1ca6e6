import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Attack } from '../../src/attacks/attack.ts';
import { attack } from '../../src/attacks/attacker.ts';
import { boneLengthAttack } from '../../src/attacks/bone-length.ts';
import { bonePgdAttack } from '../../src/attacks/bone-pgd.ts';
import { cwL2Attack } from '../../src/attacks/cw.ts';
import { deepFoolAttack } from '../../src/attacks/deep-fool.ts';
import { fabAttack } from '../../src/attacks/fab.ts';
import { bimAttack, fgsmAttack, miFgsmAttack, pgdAttack } from '../../src/attacks/first-order.ts';
import { runAttack } from '../../src/attacks/loop.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { lengths, type Norm } from '../../src/attacks/norms.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { boneLengths } from '../../src/attacks/skeleton.ts';
import { smartAttack } from '../../src/attacks/smart.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { sub } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { argmax } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Trained, trained } from './network.ts';

const PARENTS = [-1, 0, 1, 1];
const SHAPE = [4, 3, PARENTS.length, 3];
const WIDTH = 3 * PARENTS.length * 3;

let device: Device;
let net: Trained;
let motion: { readonly model: AttackModel; readonly x: Tensor; readonly labels: Tensor };
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  net = trained(device);
  const weights = device.tensor(numbers(WIDTH * 3, 4), [WIDTH, 3]);
  const model: AttackModel = {
    inputs: { skeleton: undefined },
    logits: ({ skeleton }) => matmul(reshape(skeleton as Tensor, [-1, WIDTH]), weights),
  };
  const x = device.tensor(numbers(4 * WIDTH, 5), SHAPE);
  motion = { model, x, labels: argmax(model.logits({ skeleton: x }, 0), { axes: 1 }) };
});
afterAll(() => device.dispose());

const at = (epsilon: number, norm: Norm = 'linf') => ({ x: { epsilon, norm } });
const robust = (success: readonly boolean[]) => success.filter((fooled) => !fooled).length;

describe('the first run begins at the clean input, others at random points', () => {
  type Make = (restarts: number) => Attack;
  const images: Readonly<Record<string, Make>> = {
    FGSM: (restarts) => fgsmAttack({ budgets: at(0.05), restarts }),
    BIM: (restarts) => bimAttack({ budgets: at(0.05), steps: 2, restarts }),
    'MI-FGSM': (restarts) => miFgsmAttack({ budgets: at(0.05), steps: 2, restarts }),
    PGD: (restarts) => pgdAttack({ budgets: at(0.05), steps: 2, randomStart: false, restarts }),
    DeepFool: (restarts) => deepFoolAttack({ budgets: at(0.05), steps: 2, restarts }),
    'FAB-T': (restarts) => fabAttack({ budgets: at(0.05), steps: 2, targets: 1, restarts }),
    'CW ℓ2': (restarts) => cwL2Attack({ budgets: at(0.2, 'l2'), steps: 3, searches: 2, restarts }),
  };
  const skeletons: Readonly<Record<string, Make>> = {
    SMART: (restarts) =>
      smartAttack({ parents: PARENTS, budgets: { skeleton: { epsilon: 0.05 } }, steps: 2, restarts }),
    'bone length': (restarts) => boneLengthAttack({ parents: PARENTS, steps: 2, restarts }),
    'bone-preserving PGD': (restarts) =>
      bonePgdAttack({
        ...{ parents: PARENTS, budgets: { skeleton: { epsilon: 0.05 } } },
        ...{ steps: 2, randomStart: false, restarts },
      }),
  };
  const startOf = (make: Make, subject: typeof motion, name: string) => {
    const recipe = make(3);
    const { problem } = makeProblem(subject.model, { [name]: subject.x }, subject, recipe.budgets);
    return (run: number) => {
      const start = recipe.start(problem, run, run + 1);
      return start.points[0] as Tensor;
    };
  };
  test.each([
    ...Object.entries(images).map(([name, make]) => [name, 'x', make] as const),
    ...Object.entries(skeletons).map(([name, make]) => [name, 'skeleton', make] as const),
  ])('%s', async (name, modality, make) => {
    const subject = modality === 'x' ? net : motion;
    const start = startOf(make, subject, modality);
    expect(await values(start(0))).toEqual(await values(subject.x));
    expect(await values(start(1))).not.toEqual(await values(start(2)));
    const norm = name === 'CW ℓ2' ? 'l2' : 'linf';
    const sizes = await values(lengths(sub(start(1), subject.x), norm));
    const most = name === 'bone length' ? 1 : norm === 'l2' ? 0.2 : 0.05;
    for (const size of sizes) {
      expect(size).toBeGreaterThan(0);
      expect(size).toBeLessThanOrEqual(most + 1e-6);
    }
    // What the first run fools is as without restarts; what is left may fall later.
    const run = (restarts: number) =>
      attack(subject.model, make(restarts), { [modality]: subject.x }, { labels: subject.labels });
    const [once, thrice] = [await run(1), await run(3)];
    for (const [i, fooled] of once.success.entries()) if (fooled) expect(thrice.success[i]).toBe(true);
    expect(robust(thrice.success)).toBeLessThanOrEqual(robust(once.success));
  });

  test('bones keep their lengths at a random start too', async () => {
    const start = startOf(skeletons['bone-preserving PGD'] as Make, motion, 'skeleton');
    const [clean, moved] = [
      await values(boneLengths(motion.x, PARENTS)),
      await values(boneLengths(start(1), PARENTS)),
    ];
    for (const [i, length] of moved.entries()) expect(length).toBeCloseTo(clean[i] as number, 5);
  });
});

describe('the smallest change', () => {
  const makers = {
    DeepFool: (restarts: number) =>
      deepFoolAttack({ budgets: at(Number.POSITIVE_INFINITY, 'l2'), steps: 10, restarts }),
    'FAB-T': (restarts: number) =>
      fabAttack({ budgets: at(Number.POSITIVE_INFINITY, 'l2'), steps: 5, targets: 1, restarts }),
    'CW ℓ2': (restarts: number) =>
      cwL2Attack({ budgets: at(Number.POSITIVE_INFINITY, 'l2'), steps: 20, searches: 3, restarts }),
  };
  test.each(Object.entries(makers))(
    'of %s gets no larger with restarts, for some smaller',
    async (_, make) => {
      const run = async (restarts: number) => {
        const found = await attack(net.model, make(restarts), { x: net.x }, net);
        return found.norms.x as readonly number[];
      };
      const [once, often] = [await run(1), await run(4)];
      for (const [i, size] of often.entries()) expect(size).toBeLessThanOrEqual(once[i] as number);
      expect(often.some((size, i) => size < (once[i] as number) * 0.999)).toBe(true);
    },
  );

  test('random points lie halfway to what was found so far', async () => {
    const recipe = makers.DeepFool(2);
    const { problem } = makeProblem(net.model, { x: net.x }, net, recipe.budgets);
    const free = { ...problem, moved: problem.moved.map((one) => ({ ...one, range: [-9, 9] as const })) };
    const sizes = device.tensor(Float32Array.from({ length: 12 }, (_, i) => (i + 1) / 10));
    const [point] = recipe.start(free, 1, 3, sizes).points as [Tensor];
    const found = await values(lengths(sub(point, net.x), 'l2'));
    for (const [i, size] of found.entries()) expect(size).toBeCloseTo((i + 1) / 20, 4);
  });

  test('the same bits captured or not, and in the loop alone', async () => {
    const recipe = makers['CW ℓ2'](2);
    const run = async (captured: boolean) => {
      const { inputs } = await attack(net.model, recipe, { x: net.x }, { labels: net.labels, captured });
      return bits(inputs.x as Tensor);
    };
    expect(await run(true)).toEqual(await run(false));
    const { problem } = makeProblem(net.model, { x: net.x }, net, recipe.budgets);
    const loop = async (captured: boolean) => {
      const stepper = new Stepper(captured);
      const found = await bits(runAttack(recipe, problem, stepper, { run: 1 }).adversarial[0] as Tensor);
      stepper.dispose();
      return found;
    };
    expect(await loop(true)).toEqual(await loop(false));
  });
});
