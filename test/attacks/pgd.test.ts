import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fgsm } from '../../src/attacks/fgsm.ts';
import { pgd, pgdJoint } from '../../src/attacks/pgd.ts';
import { PgdAttack } from '../../src/attacks/pgd-attack.ts';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { add, mul, sub } from '../../src/kernels/elementwise.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv2d, Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { EVALUATION, Layer } from '../../src/nn/module.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { squeeze } from '../../src/nn/squeeze.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
let network: Sequential;
let x: Tensor;
let labels: Tensor;

const SHAPE = [6, 5, 5, 2];
const SIZE = 6 * 5 * 5 * 2;

class Squeeze extends Layer {
  forward(map: Tensor): Tensor {
    return squeeze(map);
  }
}

const losses = (input: Tensor) =>
  crossEntropy(network.forward(input, EVALUATION), labels, { reduction: 'none' });
const loss = (input: Tensor) => sum(losses(input));

beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  const init = new Initialiser(device, 1);
  network = new Sequential(
    new Conv2d(init, { in: 2, out: 4, kernel: [3, 3] }),
    new BatchNorm(init, 4),
    new Relu(),
    new Conv2d(init, { in: 4, out: 4, kernel: [3, 3] }),
    new Squeeze(),
    new Linear(init, { in: 4, out: 3 }),
  );
  x = device.tensor(
    numbers(SIZE, 1).map((value) => (value + 1) / 2),
    SHAPE,
  );
  labels = device.tensor(Int32Array.of(0, 1, 2, 0, 1, 2));
  const optimiser = new AdamW(network.namedParameters());
  for (let step = 0; step < 60; step++) {
    device.scope(() => {
      const learn = () => crossEntropy(network.forward(x, { training: true, seed: step }), labels);
      optimiser.step(valueAndGrad(learn, network.parameters()).grads, 0.05);
    });
  }
});
afterAll(() => device.dispose());

/** Largest distance from `from`, smallest and largest value. */
async function extent(moved: Tensor, from: Tensor) {
  const [a, b] = [await values(moved), await values(from)];
  return {
    distance: Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN)))),
    low: Math.min(...a),
    high: Math.max(...a),
  };
}

describe('the perturbation stays within ε and the range', () => {
  test.each([0.01, 8 / 255, 0.5, 3])('ε = %f', async (epsilon) => {
    const budget = { epsilon, range: [0, 1] as const };
    for (const moved of [
      fgsm(loss, x, budget),
      pgd(loss, x, { ...budget, steps: 4 }),
      pgd(loss, x, { ...budget, steps: 3, stepSize: 10 * epsilon }),
      pgd(loss, x, { ...budget, steps: 0 }),
    ]) {
      const found = await extent(moved, x);
      expect(found.distance).toBeLessThanOrEqual(epsilon + 2 ** -23);
      expect(found.distance).toBeGreaterThan(Math.min(epsilon, 0.5) / 2);
      expect([found.low >= 0, found.high <= 1]).toEqual([true, true]);
    }
  });

  test('metres far from the origin: to the rounding of f32', async () => {
    const far = device.tensor(
      (await values(x)).map((value) => value * 4 - 7),
      SHAPE,
    );
    const moved = pgd((input) => sum(mul(input, input)), far, { epsilon: 0.01, steps: 3 });
    expect((await extent(moved, far)).distance).toBeLessThanOrEqual(0.01 + 2 ** -21);
  });
});

describe('the random start', () => {
  const start = (seed: number, randomStart?: boolean) =>
    pgd(loss, x, { epsilon: 0.1, steps: 0, seed, ...(randomStart !== undefined && { randomStart }) });

  test('differs by seed and is taken by default', async () => {
    expect(await bits(start(1))).toEqual(await bits(start(1)));
    expect(await bits(start(1))).not.toEqual(await bits(start(2)));
    expect(await bits(start(1))).not.toEqual(await bits(x));
  });

  test('is the input when switched off, and can be disposed of without it', async () => {
    const moved = start(1, false);
    expect(await bits(moved)).toEqual(await bits(x));
    moved.dispose();
    expect(x.disposed).toBe(false);
  });

  test('differs between the inputs of a joint attack', async () => {
    const attacked = [0, 1].map(() => ({ x, epsilon: 0.1 }));
    const [a, b] = pgdJoint(([first]) => loss(first as Tensor), attacked, { steps: 0 });
    expect(await bits(a as Tensor)).not.toEqual(await bits(b as Tensor));
  });
});

test('ε = 0 returns the input unchanged', async () => {
  for (const moved of [fgsm(loss, x, { epsilon: 0 }), pgd(loss, x, { epsilon: 0, steps: 5, range: [0, 1] })])
    expect(await bits(moved)).toEqual(await bits(x));
});

test.each([
  [{ epsilon: -0.1, steps: 2 }, 'epsilon must be a number of at least 0; got -0.1'],
  [{ epsilon: Number.NaN, steps: 2 }, 'epsilon must be a number of at least 0; got NaN'],
  [{ epsilon: 0.1, steps: -1 }, 'steps must be a count; got -1'],
  [{ epsilon: 0.1, steps: 1.5 }, 'steps must be a count; got 1.5'],
  [{ epsilon: 0.1, steps: 2, range: [1, 0] as const }, 'range must be [low, high]; got [1, 0]'],
  [{ epsilon: 0.1, steps: 1, stepSize: -1 }, 'stepSize must be a finite number of at least 0; got -1'],
])('%o is a ShapeError', (options, message) => {
  expect(() => pgd(loss, x, options)).toThrow(ShapeError);
  expect(() => pgd(loss, x, options)).toThrow(message);
  if (options.steps === 2) expect(() => fgsm(loss, x, options)).toThrow(ShapeError);
});

test('no input to attack is a ShapeError', () => {
  expect(() => pgdJoint(() => x, [], { steps: 1 })).toThrow(ShapeError);
});

test('the loss of a trained classifier rises with the steps, above that of FGSM', async () => {
  const byStep: Promise<number>[] = [];
  pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.15, range: [0, 1], stepSize: 0.03 }], {
    steps: 10,
    randomStart: false,
    observe: ({ value }) => byStep.push(value.item()),
  });
  const found = await Promise.all(byStep);
  expect(found.length).toBe(11);
  for (const [i, value] of found.slice(1, 6).entries()) expect(value).toBeGreaterThan(found[i] ?? Infinity);
  expect(found[0]).toBeLessThan(1);
  expect(found[10]).toBeGreaterThan(4 * (found[0] ?? Infinity));
  const one = await sum(losses(fgsm(loss, x, { epsilon: 0.15, range: [0, 1] }))).item();
  expect(found[10]).toBeGreaterThan(one);
  expect(one).toBeGreaterThan(found[0] ?? Infinity);
});

test('FGSM is one step of PGD of the size of ε', async () => {
  const budget = { epsilon: 0.03, range: [0, 1] as const };
  const step = pgd(loss, x, { ...budget, steps: 1, stepSize: 0.03, randomStart: false });
  expect(await bits(fgsm(loss, x, budget))).toEqual(await bits(step));
});

test('the same seed gives the same bits, another seed others', async () => {
  const run = (seed: number) => bits(pgd(loss, x, { epsilon: 0.05, steps: 3, seed, range: [0, 1] }));
  expect(await run(5)).toEqual(await run(5));
  expect(await run(5)).not.toEqual(await run(6));
});

test('the step size is 2.5 ε / steps when left out', async () => {
  const plain = { epsilon: 0.1, steps: 5, randomStart: false };
  const given = pgd(loss, x, { ...plain, stepSize: 0.05 });
  expect(await bits(pgd(loss, x, plain))).toEqual(await bits(given));
});

describe('a joint attack', () => {
  const joint = (epsilons: readonly [number, number], steps = 3) => {
    const other = device.tensor(numbers(SIZE, 9), SHAPE);
    const attacked = epsilons.map((epsilon, i) => ({ x: i === 0 ? x : other, epsilon }));
    const moved = pgdJoint(([a, b]) => loss(add(a as Tensor, b as Tensor)), attacked, { steps });
    return { other, moved: moved as [Tensor, Tensor] };
  };

  test('keeps each input within its own ε', async () => {
    const { moved, other } = joint([0.02, 0.3]);
    expect((await extent(moved[0], x)).distance).toBeCloseTo(0.02, 6);
    expect((await extent(moved[1], other)).distance).toBeCloseTo(0.3, 6);
  });

  test('with one ε = 0 leaves that input as it is and attacks the other', async () => {
    const { moved, other } = joint([0.1, 0]);
    expect(await bits(moved[1])).toEqual(await bits(other));
    expect((await extent(moved[0], x)).distance).toBeCloseTo(0.1, 6);
  });

  test('with every ε = 0 leaves all as they are', async () => {
    const { moved, other } = joint([0, 0]);
    expect(await Promise.all(moved.map(bits))).toEqual([await bits(x), await bits(other)]);
    for (const tensor of moved) tensor.dispose();
    expect([x.disposed, other.disposed]).toEqual([false, false]);
  });

  test('of one tensor given twice takes the gradient of each', async () => {
    const attacked = [0, 1].map(() => ({ x, epsilon: 0.1 }));
    const apart = ([a, b]: readonly Tensor[]) => sum(add(mul(a as Tensor, 2), mul(b as Tensor, -1)));
    const [up, down] = pgdJoint(apart, attacked, { steps: 1, randomStart: false }) as [Tensor, Tensor];
    const moves = async (tensor: Tensor) => new Set((await values(sub(tensor, x))).map(Math.sign));
    expect([await moves(up), await moves(down)]).toEqual([new Set([1]), new Set([-1])]);
  });
});

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

test('an attack changes no weight and no running average', async () => {
  const before = await Promise.all([...network.namedState().values()].map(bits));
  pgd(loss, x, { epsilon: 0.1, steps: 5 });
  expect(await Promise.all([...network.namedState().values()].map(bits))).toEqual(before);
});

test('observe may keep iterates', async () => {
  const kept: Tensor[] = [];
  pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.1 }], {
    steps: 2,
    observe: ({ inputs }) => void kept.push(device.keep(inputs[0] as Tensor)),
  });
  expect(kept.map((tensor) => tensor.disposed)).toEqual([false, false, false]);
  expect(new Set(await Promise.all(kept.map(async (tensor) => String(await bits(tensor))))).size).toBe(3);
  for (const tensor of kept) tensor.dispose();
});

test('observe sees every iterate with its gradients, the final one without', async () => {
  const seen: { step: number; grads: boolean; same: boolean }[] = [];
  let last: Tensor | undefined;
  const [moved] = pgdJoint(([input]) => loss(input as Tensor), [{ x, epsilon: 0.1 }], {
    steps: 2,
    observe: ({ step, grads, inputs }) => {
      seen.push({ step, grads: grads?.[0]?.shape.join() === SHAPE.join(), same: inputs[0] === last });
      last = inputs[0];
    },
  });
  expect(seen).toEqual([
    { step: 0, grads: true, same: false },
    { step: 1, grads: true, same: false },
    { step: 2, grads: false, same: false },
  ]);
  expect(last).toBe(moved);
});

describe('captured', () => {
  const options = { epsilon: 0.1, steps: 5, range: [0, 1], seed: 3 } as const;

  test('and eager attacks give the same bits', async () => {
    const [captured, eager] = [pgd(loss, x, options), pgd(loss, x, { ...options, captured: false })];
    expect(await bits(captured)).toEqual(await bits(eager));
  });

  test('one attack runs on batch after batch, and follows what is passed beside the points', async () => {
    const attack = new PgdAttack(
      ([point], [targets]) =>
        sum(
          crossEntropy(network.forward(point as Tensor, EVALUATION), targets as Tensor, {
            reduction: 'none',
          }),
        ),
      [{ epsilon: 0.1, stepSize: 0.03, range: [0, 1] }],
    );
    for (const [seed, classes] of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 1, 1],
    ].entries()) {
      const targets = device.tensor(Int32Array.from([...classes, ...classes]));
      const toward = (input: Tensor) =>
        sum(crossEntropy(network.forward(input, EVALUATION), targets, { reduction: 'none' }));
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
