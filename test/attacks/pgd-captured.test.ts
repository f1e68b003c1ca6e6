import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Attacker } from '../../src/attacks/attacker.ts';
import { pgdAttack } from '../../src/attacks/first-order.ts';
import { runAttack } from '../../src/attacks/loop.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { pgd, pgdJoint } from '../../src/attacks/pgd.ts';
import { PgdAttack } from '../../src/attacks/pgd-attack.ts';
import { makeProblem } from '../../src/attacks/problem.ts';
import { Stepper } from '../../src/attacks/stepper.ts';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { exp, square } from '../../src/kernels/elementwise.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';
import { type Normed, normed } from './normed-network.ts';

let device: Device;
let network: Normed['network'];
let x: Tensor;
let loss: Normed['loss'];
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  ({ network, x, loss } = normed(device));
});
afterAll(() => device.dispose());

describe('cost', () => {
  /** Labels of the kernels that `action` launches. */
  function launched(action: () => void): string[] {
    const [labelsSeen, { queue }] = [[] as string[], device];
    const dispatch = queue.dispatch.bind(queue);
    queue.dispatch = (launch) => {
      labelsSeen.push(launch.label);
      dispatch(launch);
    };
    device.scope(action);
    queue.dispatch = dispatch;
    return labelsSeen;
  }

  const attack = (steps: number) =>
    launched(() => {
      pgd(loss, x, { epsilon: 0.1, steps, range: [0, 1], captured: false });
    });

  test('a step is one forward pass, the gradient of the input and one update', () => {
    const forward = launched(() => {
      loss(x);
    });
    const inputGradient = launched(() => {
      valueAndGrad(() => loss(x), [x]);
    });
    expect(inputGradient.slice(0, forward.length)).toEqual(forward);
    const [first, second] = [attack(1), attack(2)];
    const step = [...inputGradient, 'attack-step.wgsl:ascend'];
    // The last launch copies the result.
    expect(second.slice(first.length - 1, -1)).toEqual(step);
  });

  test('no weight gradient is launched', () => {
    const training = launched(() => {
      valueAndGrad(() => loss(x), network.parameters());
    });
    const ofWeights = (label: string) => /weight/i.test(label);
    expect(training.filter(ofWeights).length).toBe(2);
    expect(attack(3).filter(ofWeights)).toEqual([]);
    // Against the gradient of everything: two convolutions, a linear layer with bias, and a norm.
    const everything = launched(() => {
      valueAndGrad(() => loss(x), [x, ...network.parameters()]);
    });
    expect(attack(2).length - attack(1).length).toBeLessThan(everything.length - 5);
  });

  test('memory stays as it is from step to step, for 200 of them', () => {
    const live: number[] = [];
    const before = device.memory().live;
    device.scope(() => {
      pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.1 }], {
        steps: 200,
        observe: ({ grads }) => grads && live.push(device.memory().live),
      });
    });
    expect(live.length).toBe(200);
    expect(new Set(live.slice(1)).size).toBe(1);
    expect(device.memory().live).toBe(before);
  });
});

describe('captured', () => {
  const options = { epsilon: 0.1, steps: 5, range: [0, 1], seed: 3 } as const;

  test('and eager attacks give the same bits', async () => {
    const [captured, eager] = [pgd(loss, x, options), pgd(loss, x, { ...options, captured: false })];
    expect(await bits(captured)).toEqual(await bits(eager));
  });

  test('one attack runs on batch after batch, and follows what is passed beside the points', async () => {
    const attack = new PgdAttack(
      ([point], [targets]) => loss(point as Tensor, targets),
      [{ epsilon: 0.1, stepSize: 0.03, range: [0, 1] }],
    );
    for (const [seed, classes] of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 1, 1],
    ].entries()) {
      const targets = device.tensor(Int32Array.from([...classes, ...classes]));
      const toward = (input: Tensor) => loss(input, targets);
      const [found] = attack.run([x], [targets], { steps: 4, seed });
      const eager = pgd(toward, x, { ...options, steps: 4, stepSize: 0.03, seed, captured: false });
      expect(await bits(found as Tensor)).toEqual(await bits(eager));
    }
    attack.dispose();
  });

  test('weights that changed since the last batch are followed, by recipes too', async () => {
    const weight = device.tensor(numbers(15, 3), [5, 3]);
    const images = device.tensor(numbers(20, 4).map(Math.abs), [4, 5]);
    const labels = device.tensor(Int32Array.of(0, 1, 2, 0));
    // What depends on the weights alone is not computed at every step.
    const logits = (input: Tensor) => matmul(input, exp(weight));
    const toward = (input: Tensor) => crossEntropy(logits(input), labels);
    const once = new PgdAttack(([point]) => toward(point as Tensor), [{ epsilon: 0.1, stepSize: 0.03 }]);
    const model = {
      inputs: { x: undefined },
      logits: ({ x: input }: { x?: Tensor }) => logits(input as Tensor),
    };
    const recipe = pgdAttack({ budgets: { x: { epsilon: 0.1 } }, steps: 6 });
    const attacker = new Attacker(model as AttackModel, recipe);
    for (const change of [3, 7, 8]) {
      device.write(weight, numbers(15, change));
      const [found] = once.run([images], [], { steps: 6, seed: 1 });
      const eager = pgd(toward, images, { epsilon: 0.1, stepSize: 0.03, steps: 6, seed: 1, captured: false });
      expect(await bits(found as Tensor)).toEqual(await bits(eager));
      const outcome = await attacker.attack({ x: images }, { labels, seed: 1 });
      const other = new Attacker(model as AttackModel, recipe, { captured: false });
      const expected = await other.attack({ x: images }, { labels, seed: 1 });
      expect(await bits(outcome.inputs.x as Tensor)).toEqual(await bits(expected.inputs.x as Tensor));
    }
    once.dispose();
    attacker.dispose();
  });

  test('what depends on the weights alone is computed once, in recipes too', () => {
    const weight = device.tensor(numbers(15, 3), [5, 3]);
    const images = device.tensor(numbers(20, 4).map(Math.abs), [4, 5]);
    const labels = device.tensor(Int32Array.of(0, 1, 2, 0));
    const logits = (input: Tensor) => matmul(input, exp(exp(weight)));
    const once = new PgdAttack(
      ([point]) => crossEntropy(logits(point as Tensor), labels),
      [{ epsilon: 0.1, stepSize: 0.03 }],
    );
    const model: AttackModel = {
      inputs: { x: undefined },
      logits: ({ x: input }) => logits(input as Tensor),
    };
    const stepper = new Stepper();
    const budgets = { x: { epsilon: 0.1 } };
    const { problem } = makeProblem(model, { x: images }, { labels }, budgets);
    const recipe = pgdAttack({ budgets, steps: 5 });
    const runs = [() => once.run([images], [], { steps: 5 }), () => runAttack(recipe, problem, stepper)];
    for (const run of runs) {
      const launches = () => {
        const before = device.queue.dispatches;
        device.scope(() => void run());
        return device.queue.dispatches - before;
      };
      launches();
      const kept = launches();
      device.write(weight, numbers(15, 5));
      // Two exponentials and what a gradient needs of them, in one step of five.
      expect(launches() - kept).toBeGreaterThanOrEqual(2);
      expect(launches()).toBe(kept);
      device.write(weight, numbers(15, 6));
      expect(launches() - kept).toBeLessThan(10);
    }
    once.dispose();
    stepper.dispose();
  });

  test('weights that an observer changes are followed', async () => {
    const weight = device.tensor(numbers(15, 3), [5, 3]);
    const images = device.tensor(numbers(20, 4).map(Math.abs), [4, 5]);
    const squared = ([point]: readonly Tensor[]) => sum(square(matmul(point as Tensor, exp(weight))));
    const found = [true, false].map((captured) => {
      const once = new PgdAttack(squared, [{ epsilon: 0.3, stepSize: 0.1 }], { captured });
      device.write(weight, numbers(15, 3));
      const observe = ({ step }: { readonly step: number }) => device.write(weight, numbers(15, 5 + step));
      const [points] = once.run([images], [], { steps: 5, observe });
      once.dispose();
      return points as Tensor;
    });
    expect(await bits(found[0] as Tensor)).toEqual(await bits(found[1] as Tensor));
  });

  test('an attack gives back all memory but its result', async () => {
    const before = device.memory().live;
    for (let i = 0; i < 3; i++) pgd(loss, x, options).dispose();
    expect(device.memory().live).toBe(before);
  });

  test('inside a captured step, or while a gradient is taken, it runs step by step', async () => {
    const step = capture((input: Tensor) => pgd(loss, input, options));
    const eager = await bits(pgd(loss, x, options));
    step(x);
    expect(await bits(step(x))).toEqual(eager);
    step.dispose();
    expect(() => valueAndGrad(() => loss(pgd(loss, x, options)), [x])).toThrow(/signAscent.*no gradient/);
  });
});
