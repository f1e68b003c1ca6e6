import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ACTIONS } from '../../experiments/figures/actions.ts';
import { JOINTS, PARENTS } from '../../experiments/figures/body.ts';
import { jointsAt, makeFigures, type Performance, planSamples } from '../../experiments/figures/figures.ts';
import { norm, subtract } from '../../experiments/figures/vector.ts';
import type { ActionDataset, SplitName } from '../../src/data/dataset.ts';

const SMALL = { trainSubjects: 2, validationSubjects: 1, testSubjects: 1, repetitions: 2 };

function hash({ video, skeleton }: ActionDataset): string {
  const joints = new Uint8Array(skeleton!.data.buffer);
  return createHash('sha256').update(video!.data).update(joints).digest('hex');
}

describe('makeFigures', () => {
  const data = makeFigures(SMALL);

  it('gives the same bytes for the same seed and other bytes for another', () => {
    expect(hash(makeFigures(SMALL))).toBe(hash(data));
    expect(hash(makeFigures({ ...SMALL, seed: 2 }))).not.toBe(hash(data));
  });

  it('has the sizes it was asked for', () => {
    const other = makeFigures({
      ...SMALL,
      repetitions: 1,
      frames: 3,
      height: 20,
      width: 16,
      skeletonFrames: 5,
    });
    expect(other.video!.shape).toEqual([3, 20, 16, 3]);
    expect(other.skeleton!.shape).toEqual([5, 25, 3]);
    expect(other.samples).toBe(4 * ACTIONS.length);
    expect(other.video!.data.length).toBe(other.samples * 3 * 20 * 16 * 3);
    expect(other.skeleton!.data.length).toBe(other.samples * 5 * 25 * 3);
  });

  it('keeps subjects apart and puts every sample in one split', () => {
    const { splits, subjects, samples } = data;
    expect([...splits.train, ...splits.validation, ...splits.test].sort((a, b) => a - b)).toEqual([
      ...Array(samples).keys(),
    ]);
    const names = (split: SplitName) => new Set(splits[split].map((i) => subjects[i]!));
    expect(names('train').size).toBe(2);
    const all = [...names('train'), ...names('validation'), ...names('test')];
    expect(new Set(all).size).toBe(all.length);
  });

  it('has as many samples of every class in every split', () => {
    for (const part of Object.values(data.splits)) {
      const counts = data.classes.map((_, c) => part.filter((i) => data.labels[i] === c).length);
      expect(new Set(counts)).toEqual(new Set([part.length / data.classes.length]));
    }
  });

  it('keeps joints in front of the camera and uses the whole range of bytes', () => {
    const joints = [...data.skeleton!.data];
    const aside = joints.filter((_, k) => k % 3 < 2);
    const away = joints.filter((_, k) => k % 3 === 2);
    expect(aside.every((value) => Math.abs(value) < 2.5)).toBe(true);
    expect(away.every((value) => value > 2 && value < 8)).toBe(true);
    const bytes = data.video!.data;
    const mean = bytes.reduce((sum, b) => sum + b, 0) / bytes.length;
    expect(mean).toBeGreaterThan(60);
    expect(mean).toBeLessThan(190);
    expect(new Set(bytes).size).toBeGreaterThan(250);
  });

  it('names the tree of NTU RGB+D', () => {
    expect(JOINTS.length).toBe(25);
    expect(data.skeleton!.parents).toEqual(PARENTS);
    expect(JOINTS[PARENTS.indexOf(-1)]).toBe('spine shoulder');
    expect(PARENTS.map((p, v) => `${v + 1},${p + 1}`)).toEqual(
      expect.arrayContaining([
        '1,2',
        '2,21',
        '3,21',
        '4,3',
        '5,21',
        '12,11',
        '20,19',
        '22,23',
        '23,8',
        '24,25',
        '25,12',
      ]),
    );
  });
});

describe('a performance', () => {
  const plan = planSamples().map((s) => s.performance);
  const times = Array.from({ length: 9 }, (_, k) => k / 8);

  it('keeps every bone at its length, before noise', () => {
    for (const performance of plan.slice(0, 96)) {
      const lengths = times.map((time) => boneLengths(performance, time));
      for (const frame of lengths)
        for (const [bone, length] of frame.entries()) expect(length).toBeCloseTo(lengths[0]![bone]!, 9);
    }
  });

  it('moves: every action displaces some joint by more than 20 cm', () => {
    for (const action of ACTIONS) {
      const shown = plan.filter((p) => p.action === action).slice(0, 12);
      for (const performance of shown) expect(travel(performance)).toBeGreaterThan(0.2);
    }
  });

  it('is mirrored in half the samples and starts anywhere in the cycle', () => {
    const mirrored = plan.filter((p) => p.style.mirrored).length / plan.length;
    expect(mirrored).toBeGreaterThan(0.4);
    expect(mirrored).toBeLessThan(0.6);
    for (const action of ACTIONS) {
      const phases = plan.filter((p) => p.action === action).map((p) => p.style.phase / (2 * Math.PI));
      for (let quarter = 0; quarter < 4; quarter++)
        expect(phases.filter((p) => Math.floor(p * 4) === quarter).length).toBeGreaterThan(7);
    }
  });

  it('mirrors by exchanging left and right', () => {
    const performance = plan.find((p) => p.action.name === 'wave')!;
    const mirrored = {
      ...performance,
      style: { ...performance.style, mirrored: !performance.style.mirrored },
    };
    const [a, b] = [jointsAt(performance, 0.3)[7]!, jointsAt(mirrored, 0.3)[11]!];
    expect(subtract(a, [-b[0], b[1], b[2]]).every((d) => Math.abs(d) < 1e-9)).toBe(true);
  });

  it('moves alike in pairs that only an object tells apart', () => {
    expect(pairDistance(plan, 'lift ball', 'lift barbell')).toBe(0);
    expect(pairDistance(plan, 'pump umbrella', 'pump flag')).toBe(0);
    expect(pairDistance(plan, 'arm circles forward', 'arm circles backward')).toBeGreaterThan(0.3);
    expect(pairDistance(plan, 'crank forward', 'crank backward')).toBeGreaterThan(0.15);
  });

  it('has pairs that differ in depth only: wrists of an upright body are equally high', () => {
    for (const pair of [
      ['arm circles forward', 'arm circles backward'],
      ['crank forward', 'crank backward'],
    ]) {
      const [a, b] = pair.map((name) => ACTIONS.find((action) => action.name === name)!);
      const { style } = plan[0]!;
      for (const phase of [0, 1, 2, 3, 4, 5]) {
        const [p, q] = [a!.move(phase, style).hands![0], b!.move(phase, style).hands![0]];
        expect([p[0], p[1]]).toEqual([q[0], q[1]]);
      }
    }
  });
});

function boneLengths(performance: Performance, time: number): number[] {
  const joints = jointsAt(performance, time);
  return PARENTS.map((p, v) => (p < 0 ? 0 : norm(subtract(joints[v]!, joints[p]!))));
}

function travel(performance: Performance): number {
  const frames = Array.from({ length: 17 }, (_, k) => jointsAt(performance, k / 16));
  return Math.max(...frames.flatMap((joints) => joints.map((j, v) => norm(subtract(j, frames[0]![v]!)))));
}

/** The largest distance between wrists when one person performs both actions in the same style. */
function pairDistance(plan: Performance[], first: string, second: string): number {
  const a = plan.find((p) => p.action.name === first)!;
  const b = { ...a, action: ACTIONS.find((action) => action.name === second)! };
  const at = (p: Performance, time: number) => jointsAt(p, time);
  const distances = [0, 0.2, 0.4, 0.6, 0.8].flatMap((time) =>
    [6, 10].map((wrist) => norm(subtract(at(a, time)[wrist]!, at(b, time)[wrist]!))),
  );
  return Math.max(...distances);
}
