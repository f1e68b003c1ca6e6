import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AttackOptions, attack } from '../../src/attacks/attacker.ts';
import { boneLengthAttack } from '../../src/attacks/bone-length.ts';
import { bonePgdAttack } from '../../src/attacks/bone-pgd.ts';
import type { AttackModel } from '../../src/attacks/model.ts';
import { perceptualDistance } from '../../src/attacks/skeleton.ts';
import { smartAttack } from '../../src/attacks/smart.ts';
import { grad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { boneProjection } from '../../src/kernels/bone-projection.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { bits, expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

/** A trunk with two arms; joints are not in the order of the tree. */
const PARENTS = [3, 0, 0, -1, 2, 4];
const [N, T, V] = [4, 5, 6];
const SHAPE = [N, T, V, 3];
const FRAME = V * 3;

let device: Device;
let model: AttackModel;
let x: Tensor;
let labels: Tensor;
let poses: number[];
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  const weights = device.tensor(numbers(T * FRAME * 3, 4), [T * FRAME, 3]);
  const logits = (input: Tensor) => matmul(reshape(input, [-1, T * FRAME]), weights);
  model = { inputs: { skeleton: undefined }, logits: ({ skeleton }) => logits(skeleton as Tensor) };
  poses = [...numbers(N * T * FRAME, 5)];
  x = device.tensor(poses, SHAPE);
  const found = await values(logits(x));
  const rows = Array.from({ length: N }, (_, i) => found.slice(3 * i, 3 * i + 3));
  labels = device.tensor(Int32Array.from(rows, (row) => row.indexOf(Math.max(...row))));
});
afterAll(() => device.dispose());

const joint = (data: readonly number[], frame: number, v: number) =>
  [0, 1, 2].map((axis) => data[frame * FRAME + v * 3 + axis] ?? Number.NaN);
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - (b[i] ?? 0));
const boneOf = (data: readonly number[], frame: number, v: number) =>
  minus(joint(data, frame, v), joint(data, frame, PARENTS[v] ?? 0));
const BONES = [0, 1, 2, 4, 5];

/** Lengths of the bones of every frame, relative to those of the poses at first. */
const stretch = (data: readonly number[]) =>
  Array.from({ length: N * T }, (_, frame) =>
    BONES.map((v) => Math.hypot(...boneOf(data, frame, v)) / Math.hypot(...boneOf(poses, frame, v))),
  );
const farthest = (data: readonly number[]) => Math.max(...minus(data, poses).map(Math.abs));

describe('bone projection', () => {
  const moved = (size: number) => poses.map((value, k) => value + size * (numbers(poses.length, 6)[k] ?? 0));
  const projected = (data: readonly number[], epsilon: number) =>
    values(boneProjection(device.tensor([...data], SHAPE), x, { parents: PARENTS, epsilon }));

  test.each([0.01, 0.2, 2])('keeps lengths, and joints within ε = %f', async (epsilon) => {
    const found = await projected(moved(epsilon), epsilon);
    for (const ratio of stretch(found).flat()) expect(Math.abs(ratio - 1)).toBeLessThan(2e-6);
    expect(farthest(found)).toBeLessThanOrEqual(epsilon + 1e-6);
    expect(farthest(found)).toBeGreaterThan(epsilon / 2);
  });

  test('is the nearest point of each sphere where the ball does not bind', async () => {
    const data = moved(0.3);
    const found = await projected(data, 100);
    for (let frame = 0; frame < N * T; frame++) {
      expect(Math.max(...minus(joint(found, frame, 3), joint(data, frame, 3)).map(Math.abs))).toBeLessThan(
        1e-6,
      );
      for (const v of BONES) {
        const start = joint(found, frame, PARENTS[v] ?? 0);
        const wanted = minus(joint(data, frame, v), start);
        const scale = Math.hypot(...boneOf(poses, frame, v)) / Math.hypot(...wanted);
        const expected = wanted.map((value, axis) => (start[axis] ?? 0) + scale * value);
        const error = minus(joint(found, frame, v), expected).map(Math.abs);
        expect(Math.max(...error)).toBeLessThan(1e-5);
      }
    }
  });

  test('leaves poses as they are that keep their bones, and a joint on its parent too', async () => {
    expect(Math.max(...minus(await projected(poses, 0.1), poses).map(Math.abs))).toBeLessThan(1e-6);
    const folded = [...poses];
    for (const axis of [0, 1, 2]) folded[axis] = folded[9 + axis] ?? 0;
    const found = await projected(folded, 5);
    expect(found.every(Number.isFinite)).toBe(true);
    for (const ratio of stretch(found).flat()) expect(Math.abs(ratio - 1)).toBeLessThan(2e-6);
  });

  test('refuses parents that are no tree, and poses of other joints', () => {
    for (const parents of [[1, 0, 0, 0, 0, 0], [], [5, 0, 0, -1, 2, 9]])
      expect(() => boneProjection(x, x, { parents, epsilon: 1 })).toThrow('parents must form a tree');
    expect(() => boneProjection(x, x, { parents: [-1, 0], epsilon: 1 })).toThrow('poses must be [..., 2, 3]');
  });
});

test('the perceptual distance is its formula, with the gradient of it', async () => {
  const other = poses.map((value, k) => value + 0.1 * (numbers(poses.length, 7)[k] ?? 0));
  const reference = (data: readonly number[], sample: number, rate: number) => {
    let [bones, places, bends] = [0, 0, 0];
    for (let frame = sample * T; frame < (sample + 1) * T; frame++) {
      for (const v of BONES)
        bones += (Math.hypot(...boneOf(data, frame, v)) - Math.hypot(...boneOf(poses, frame, v))) ** 2;
      for (let k = frame * FRAME; k < (frame + 1) * FRAME; k++) {
        const change = (at: number) => (data[at] ?? 0) - (poses[at] ?? 0);
        places += change(k) ** 2;
        if (frame >= sample * T + 2)
          bends += ((change(k) - 2 * change(k - FRAME) + change(k - 2 * FRAME)) * rate ** 2) ** 2;
      }
    }
    return 0.7 * bones + 0.3 * ((0.6 * places) / V + 0.4 * bends);
  };
  const point = device.tensor(other, SHAPE);
  const found = await values(perceptualDistance(point, x, { parents: PARENTS }));
  for (const [i, value] of found.entries()) expect(value / reference(other, i, 30)).toBeCloseTo(1, 4);
  // At a rate at which accelerations do not drown the other parts.
  const slow = { parents: PARENTS, frameRate: 1 };
  const [slope] = grad(() => sum(perceptualDistance(point, x, slow)), [point]) as [Tensor];
  const total = (data: readonly number[]) =>
    [0, 1, 2, 3].reduce((all, sample) => all + reference(data, sample, 1), 0);
  const h = 1e-5;
  const expected = other.map((value, k) => {
    const at = (shifted: number) => total([...other.slice(0, k), shifted, ...other.slice(k + 1)]);
    return (at(value + h) - at(value - h)) / (2 * h);
  });
  await expectClose(slope, expected, 1e-4);
});

test('fewer than three frames have no acceleration', async () => {
  const short = device.tensor(poses.slice(0, 2 * FRAME), [1, 2, V, 3]);
  const other = add(short, 0.1);
  const found = await perceptualDistance(other, short, { parents: PARENTS }).item();
  expect(found).toBeCloseTo((0.3 * 0.6 * 0.01 * 2 * FRAME) / V, 5);
});

describe('attacks on skeletons', () => {
  const budgets = { skeleton: { epsilon: 0.3 } };
  const common = { parents: PARENTS, budgets };
  const makers = {
    bonePgdAttack: () => bonePgdAttack({ ...common, steps: 8 }),
    smartAttack: () => smartAttack({ ...common, steps: 15, clip: 0.6 }),
    boneLengthAttack: () => boneLengthAttack({ parents: PARENTS, change: 0.5, stepSize: 0.1, steps: 8 }),
  };
  const options = (more: Partial<AttackOptions> = {}): AttackOptions => ({ labels, ...more });

  test.each(Object.entries(makers))(
    '%s fools the model, captured as eager, targeted too',
    async (name, make) => {
      const run = async (captured: boolean, targets?: Tensor) => {
        const found = await attack(
          model,
          make(),
          { skeleton: x },
          { ...options(targets && { targets }), captured },
        );
        return {
          success: found.success,
          bits: await bits(found.inputs.skeleton as Tensor),
          norms: found.norms,
        };
      };
      const found = await run(true);
      expect(found.success.filter(Boolean).length).toBeGreaterThan(1);
      expect(await run(false)).toEqual(found);
      if (name !== 'boneLengthAttack')
        expect(Math.max(...(found.norms.skeleton ?? []))).toBeLessThanOrEqual(0.3 + 1e-6);
      const targets = device.tensor(Int32Array.from(await labels.read(), (label) => (label + 1) % 3));
      expect((await run(true, targets)).success.length).toBe(N);
    },
  );

  test('bone-length-preserving PGD keeps every bone', async () => {
    const { inputs } = await attack(model, makers.bonePgdAttack(), { skeleton: x }, options());
    const ratios = stretch(await values(inputs.skeleton as Tensor)).flat();
    for (const ratio of ratios) expect(Math.abs(ratio - 1)).toBeLessThan(3e-6);
  });

  test('the bone length attack changes lengths alone: by ε at most, alike in all frames, the root in place', async () => {
    const { inputs, success } = await attack(model, makers.boneLengthAttack(), { skeleton: x }, options());
    const data = await values(inputs.skeleton as Tensor);
    const ratios = stretch(data);
    for (let frame = 0; frame < N * T; frame++) {
      expect(minus(joint(data, frame, 3), joint(poses, frame, 3))).toEqual([0, 0, 0]);
      for (const [b, v] of BONES.entries()) {
        const ratio = ratios[frame]?.[b] ?? 0;
        expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(0.5 + 1e-5);
        expect(ratio).toBeCloseTo(ratios[Math.floor(frame / T) * T]?.[b] ?? 0, 4);
        const [before, after] = [boneOf(poses, frame, v), boneOf(data, frame, v)];
        for (const axis of [0, 1, 2]) expect(after[axis]).toBeCloseTo(ratio * (before[axis] ?? 0), 4);
      }
    }
    expect(ratios.flat().some((ratio) => Math.abs(ratio - 1) > 0.05)).toBe(true);
    expect(success.some(Boolean)).toBe(true);
  });

  test('the bone length attack finds the lengths that are best where the model is linear in them', async () => {
    const weights = numbers(T * FRAME * 2, 8).map((value, k) => (k % 2 === 0 ? value : -value));
    const direction = device.tensor(weights, [T * FRAME, 2]);
    const linear: AttackModel = {
      inputs: { skeleton: undefined },
      logits: ({ skeleton }) => matmul(reshape(skeleton as Tensor, [-1, T * FRAME]), direction),
    };
    const zero = device.tensor(new Int32Array(N));
    const one = boneLengthAttack({ parents: PARENTS, change: 0.1, stepSize: 0.1, steps: 1 });
    const { inputs } = await attack(linear, one, { skeleton: x }, { labels: zero });
    const moved = await values(inputs.skeleton as Tensor);
    const clean = await values(linear.logits({ skeleton: x }, 0));
    const margin = (k: number) =>
      (weights[2 * (k % (T * FRAME))] ?? 0) - (weights[2 * (k % (T * FRAME)) + 1] ?? 0);
    for (let i = 0; i < N; i++) {
      // A sample that is wrong from the beginning stays as it is.
      if ((clean[2 * i] ?? 0) <= (clean[2 * i + 1] ?? 0)) continue;
      for (const u of BONES) {
        let slope = 0;
        for (let frame = i * T; frame < (i + 1) * T; frame++)
          for (const v of BONES)
            if (isBelow(v, u))
              for (const axis of [0, 1, 2])
                slope += margin(frame * FRAME + v * 3 + axis) * (boneOf(poses, frame, u)[axis] ?? 0);
        const ratio = stretch(moved)[i * T]?.[BONES.indexOf(u)] ?? 0;
        expect(ratio).toBeCloseTo(slope > 0 ? 0.9 : 1.1, 3);
      }
    }

    function isBelow(v: number, u: number): boolean {
      return v === u || (v >= 0 && isBelow(PARENTS[v] ?? -1, u));
    }
  });

  test('the first step of SMART goes along the class loss, as Adam does, cut to its clip', async () => {
    const one = smartAttack({ ...common, steps: 1, clip: 0.01 });
    const { inputs } = await attack(model, one, { skeleton: x }, options());
    const moved = minus(await values(inputs.skeleton as Tensor), poses);
    const losses = (input: Tensor) => crossEntropy(model.logits({ skeleton: input }, 0), labels);
    const [slope] = grad(() => losses(x), [x]) as [Tensor];
    const signs = (await values(slope)).map(Math.sign);
    for (const [k, value] of moved.entries())
      expect(value).toBeCloseTo(((signs[k] ?? 0) * 0.01) / Math.sqrt(T * FRAME), 5);
  });

  test('SMART changes a motion less to the eye than PGD of the same size', async () => {
    const distance = async (moved: Tensor) => values(perceptualDistance(moved, x, { parents: PARENTS }));
    const smart = await attack(
      model,
      smartAttack({ ...common, steps: 30, clip: 0.05, classWeight: 0.3 }),
      { skeleton: x },
      options(),
    );
    const pgd = await attack(model, makers.bonePgdAttack(), { skeleton: x }, options());
    const [a, b] = [
      await distance(smart.inputs.skeleton as Tensor),
      await distance(pgd.inputs.skeleton as Tensor),
    ];
    const total = (list: number[]) => list.reduce((all, value) => all + value, 0);
    expect(total(a)).toBeLessThan(total(b));
    expect(total(a)).toBeGreaterThan(0);
  });

  test.each([
    ['no budget for it', smartAttack({ parents: PARENTS, budgets: {} }), 'needs a budget for skeleton'],
    ['other joints', bonePgdAttack({ parents: [-1, 0], budgets }), 'must be [N, T, 2, 3]'],
    ['a loop', bonePgdAttack({ parents: [1, 0, 0, 0, 0, 0], budgets }), 'parents must form a tree'],
  ])('refused: %s', async (_, made, message) => {
    await expect(attack(model, made, { skeleton: x }, options())).rejects.toThrow(message);
    await expect(attack(model, made, { skeleton: x }, options())).rejects.toThrow(ShapeError);
  });

  test('refused: a change of more than the whole', () => {
    expect(() => boneLengthAttack({ parents: PARENTS, change: 1.5 })).toThrow('change must be in [0, 1]');
  });
});
