import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pgd, pgdJoint } from '../../src/attacks/pgd.ts';
import { PgdAttack } from '../../src/attacks/pgd-attack.ts';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits } from '../nn/tools.ts';
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
