import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditCheck, auditRobustness } from '../../src/attacks/audit.ts';
import { type AttackModel, attackModel } from '../../src/attacks/model.ts';
import type { Norm } from '../../src/attacks/norms.ts';
import { stopGradient } from '../../src/autograd/grad.ts';
import { add, cast, mul, neg, sub } from '../../src/kernels/elementwise.ts';
import { concat } from '../../src/kernels/layout.ts';
import { mean } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { type Linear, linear } from './linear.ts';
import { trained } from './network.ts';

let device: Device;
let sound: Linear;
let epsilon: number;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  sound = linear(device, { n: 8, size: 6, classes: 3, range: [0, 1] });
  // Some samples fall within ε, some do not.
  const distances = [...sound.distances.linf].sort((a, b) => a - b);
  epsilon = ((distances[3] ?? 0) + (distances[4] ?? 0)) / 2;
});
afterAll(() => device.dispose());

const audit = (model: AttackModel, norm: Norm = 'linf', size = epsilon) =>
  auditRobustness(
    model,
    { inputs: { x: sound.x }, labels: sound.labels },
    { budgets: { x: { epsilon: size, norm } }, steps: 4, queries: 40, tolerance: 0 },
  );
const failed = (checks: readonly AuditCheck[]) =>
  checks.flatMap(({ name, suspicious }) => (suspicious ? [name] : []));

describe('a sound network', () => {
  test('has nothing against it, and its numbers are those of its distances', async () => {
    const before = device.memory().live;
    const found = await audit(sound.model);
    expect(found.suspicious).toEqual([]);
    expect(found.checks.map(({ name }) => name)).toEqual([
      'clean',
      'steps',
      'radius',
      'unbounded',
      'black box',
      'APGD',
      'zero gradients',
    ]);
    expect(found.samples).toBe(8);
    expect(found.accuracy.clean).toBe(1);
    for (const attack of ['FGSM', 'PGD-4', 'PGD-16', 'APGD']) expect(found.accuracy[attack]).toBe(0.5);
    expect(found.accuracy['PGD at any ε']).toBe(0);
    expect(found.zeroGradients).toBe(0);
    expect(device.memory().live).toBe(before);
  });

  test('nor where batches have samples of different sizes', async () => {
    // Brighter than half, or darker.
    const bright = (x: Tensor) => mean(sub(x, 0.5), { axes: 1, keepDims: true });
    const model = attackModel({ x: [0, 1] }, ({ x }) => concat([bright(x), neg(bright(x))], { axis: 1 }));
    const batch = (size: number) => ({
      inputs: {
        x: device.tensor(
          Float32Array.from({ length: 2 * size }, (_, i) => (i < size ? 0.8 : 0.3)),
          [2, size],
        ),
      },
      labels: device.tensor(Int32Array.of(0, 1)),
    });
    const endless: AttackModel = { ...model, inputs: { x: undefined } };
    for (const [net, norm] of [
      [model, 'l2'],
      [model, 'l1'],
      [endless, 'l2'],
    ] as const) {
      const budgets = { x: { epsilon: norm === 'l2' ? 0.7 : 1.4, norm } } as const;
      const found = await auditRobustness(net, [batch(9), batch(4)], { budgets, steps: 4, queries: 20 });
      expect(found.samples).toBe(4);
      expect(found.accuracy['PGD at any ε']).toBe(0);
    }
  });

  test('nor has one that is not linear', async () => {
    const { model, x, labels } = trained(device);
    const budgets = { x: { epsilon: 0.05 } };
    const found = await auditRobustness(model, { inputs: { x }, labels }, { budgets, steps: 5, queries: 40 });
    expect(found.suspicious).toEqual([]);
    expect(found.accuracy['PGD-5']).toBeLessThan(found.accuracy.clean ?? 0);
  });

  test('in the other norms too', async () => {
    for (const norm of ['l2', 'l1'] as const) {
      const distances = [...sound.distances[norm]].sort((a, b) => a - b);
      const size = ((distances[3] ?? 0) + (distances[4] ?? 0)) / 2;
      const found = await audit({ ...sound.model, inputs: { x: undefined } }, norm, size);
      expect(found.suspicious).toEqual([]);
    }
  });

  test('with an ε whose multiples hold the whole range', async () => {
    const found = await audit(sound.model, 'linf', 0.6);
    expect(found.suspicious).toEqual([]);
    expect(found.accuracy['PGD-4 at 4ε']).toBe(found.accuracy['PGD-4 at 2ε']);
  });

  test('over several batches', async () => {
    const budgets = { x: { epsilon } };
    const batch = { inputs: { x: sound.x }, labels: sound.labels };
    const found = await auditRobustness(sound.model, [batch, batch], { budgets, steps: 4, queries: 5 });
    expect([found.samples, found.accuracy['PGD-4']]).toEqual([16, 0.5]);
    await expect(auditRobustness(sound.model, [], { budgets })).rejects.toThrow('needs at least one sample');
    await expect(auditRobustness(sound.model, batch, { budgets, steps: 1 })).rejects.toThrow(
      'steps must be a whole number of at least 2',
    );
  });
});

describe('objects to', () => {
  test.each([
    [
      0,
      /^Of the samples as they are 0\.0 % are right, of 3 classes chance alone gives 33\.3 %: robust accuracy/,
    ],
    [2, /^Of the samples as they are 25\.0 % are right/],
    [3, undefined],
  ])(
    'a network that knows no more than chance gives, and to no other: %i of 8 samples',
    async (right, sentence) => {
      const labels = Array.from(await sound.labels.read('i32'), (y, i) => (i < right ? y : (y + 1) % 3));
      const batch = { inputs: { x: sound.x }, labels: device.tensor(Int32Array.from(labels)) };
      const budgets = { x: { epsilon } };
      const found = await auditRobustness(sound.model, batch, { budgets, steps: 4, queries: 4 });
      expect(found.accuracy.clean).toBe(right / 8);
      expect(failed(found.checks)).toEqual(sentence ? ['clean'] : []);
      if (sentence) expect(found.suspicious[0]).toMatch(sentence);
    },
  );

  test('logits so large that the softmax saturates: no gradient, and blind search does better', async () => {
    const model: AttackModel = {
      inputs: sound.model.inputs,
      logits: (inputs, seed) => mul(sound.model.logits(inputs, seed), 1e4),
    };
    const found = await audit(model);
    expect(found.zeroGradients).toBeGreaterThan(0.5);
    expect(failed(found.checks)).toEqual(expect.arrayContaining(['zero gradients', 'black box']));
    expect(found.suspicious.join(' ')).toMatch(/gradient is zero throughout.*attack the margin/);
    expect(found.suspicious.join(' ')).toMatch(/Searching blindly beats following the gradient/);
  });

  test('a layer that rounds its input, and has no gradient', async () => {
    const rounded = (x: Tensor) => mul(cast(cast(add(mul(x, 8), 0.5), 'i32'), 'f32'), 1 / 8);
    const model: AttackModel = {
      inputs: sound.model.inputs,
      logits: ({ x }, seed) => sound.model.logits({ x: rounded(x as Tensor) }, seed),
    };
    const found = await audit(model);
    expect(found.zeroGradients).toBe(1);
    expect(failed(found.checks)).toEqual(
      expect.arrayContaining(['unbounded', 'black box', 'zero gradients']),
    );
    expect(found.suspicious.join(' ')).toMatch(/are still right when ε has no bound/);
  });

  test('a gradient that points the wrong way, though it is not zero', async () => {
    // The value of the sound network with the opposite gradient: z(x) = 2 z(stop x) − z(x).
    const model: AttackModel = {
      inputs: sound.model.inputs,
      logits({ x }, seed) {
        const own = sound.model.logits({ x: x as Tensor }, seed);
        return sub(mul(stopGradient(own), 2), own);
      },
    };
    const found = await audit(model);
    expect(found.zeroGradients).toBe(0);
    expect(failed(found.checks)).toEqual(expect.arrayContaining(['unbounded', 'black box']));
  });
});
