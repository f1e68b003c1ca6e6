import type { ActionDataset, SplitName } from '../../src/data/dataset.ts';
import { Rng } from '../../src/data/rng.ts';
import { ACTIONS, type Action, poseAt, randomStyle, type Style } from './actions.ts';
import { type Body, JOINTS, PARENTS, placeJoints, randomBody } from './body.ts';
import { type Camera, randomCamera, toCamera } from './camera.ts';
import { type Canvas, copyCanvas, drawCapsule, drawShadow, makeCanvas, readPixel } from './canvas.ts';
import { dressBody, holdProp, type Outfit, type Prop, randomOutfit, randomProp } from './outfit.ts';
import { drawRoom } from './room.ts';
import { unit, type Vector } from './vector.ts';

/** Size of the embedded data set; everything has a default. */
export interface FiguresOptions {
  seed?: number;
  /** Subjects of each split; every subject performs every action `repetitions` times. */
  trainSubjects?: number;
  validationSubjects?: number;
  testSubjects?: number;
  repetitions?: number;
  /** Of the clips: frames, and pixels of a frame. */
  frames?: number;
  height?: number;
  width?: number;
  skeletonFrames?: number;
}

/** 576 training, 144 validation and 192 test samples of 8×24×24 pixels and 16×25 joints. */
export const FIGURES_DEFAULTS: Required<FiguresOptions> = {
  seed: 1,
  trainSubjects: 12,
  validationSubjects: 3,
  testSubjects: 4,
  repetitions: 4,
  frames: 8,
  height: 24,
  width: 24,
  skeletonFrames: 16,
};

interface Subject {
  name: string;
  split: SplitName;
  body: Body;
  outfit: Outfit;
  /** Cycles per clip. */
  pace: number;
  /** Size of motions. */
  size: number;
}

/** Everything that makes one sample, before it is rendered or measured. */
export interface Performance {
  action: Action;
  subject: Subject;
  style: Style;
  camera: Camera;
}

/** Standard deviation of the joints in metres, and the chance per joint and frame that it is off by up to `JUMP` metres. */
const JITTER = 0.01;
const JUMP_CHANCE = 0.004;
const JUMP = 0.3;

/**
 * Makes the embedded data set: articulated figures perform twelve actions, as RGB clips [T, H, W, 3] and as
 * skeletons [T, 25, 3] in camera space (metres; x to the image's right, y up, z away from the camera) with sensor
 * noise. The same options give the same data, bit for bit. See the README beside this file.
 */
export function makeFigures(options: FiguresOptions = {}): ActionDataset {
  const o = { ...FIGURES_DEFAULTS, ...options };
  const plan = planSamples(o);
  const video = new Uint8Array(plan.length * o.frames * o.height * o.width * 3);
  const skeleton = new Float32Array(plan.length * o.skeletonFrames * JOINTS.length * 3);
  const canvases: [Canvas, Canvas] = [makeCanvas(o.width, o.height), makeCanvas(o.width, o.height)];
  for (const [i, { performance, rng }] of plan.entries()) {
    recordSkeleton(performance, rng, part(skeleton, i, plan.length), o.skeletonFrames);
    renderClip(performance, rng, part(video, i, plan.length), o, canvases);
  }
  const of = (split: SplitName) => plan.flatMap((s, i) => (s.performance.subject.split === split ? [i] : []));
  return {
    name: 'figures',
    title: 'Articulated figures (RGB video + skeleton)',
    classes: ACTIONS.map((a) => a.name),
    labels: Int32Array.from(plan, (s) => ACTIONS.indexOf(s.performance.action)),
    subjects: plan.map((s) => s.performance.subject.name),
    samples: plan.length,
    video: { data: video, shape: [o.frames, o.height, o.width, 3], kind: 'rgb' },
    skeleton: {
      data: skeleton,
      shape: [o.skeletonFrames, 25, 3],
      joints: [...JOINTS],
      parents: [...PARENTS],
    },
    splits: { train: of('train'), validation: of('validation'), test: of('test') },
  };
}

/** Who performs what, sample by sample, with a generator for the rest of each sample. */
export function planSamples(options: FiguresOptions = {}): { performance: Performance; rng: Rng }[] {
  const o = { ...FIGURES_DEFAULTS, ...options };
  return makeSubjects(o).flatMap((subject, s) =>
    ACTIONS.flatMap((action, a) =>
      Array.from({ length: o.repetitions }, (_, r) => {
        const rng = new Rng(o.seed, 1, s, a, r);
        const style = randomStyle(rng, subject.pace, subject.size);
        return { performance: { action, subject, style, camera: randomCamera(rng) }, rng };
      }),
    ),
  );
}

function makeSubjects(o: Required<FiguresOptions>): Subject[] {
  const counts = { train: o.trainSubjects, validation: o.validationSubjects, test: o.testSubjects };
  const splits = Object.entries(counts).flatMap(([split, n]) => Array<SplitName>(n).fill(split as SplitName));
  return splits.map((split, s) => {
    const rng = new Rng(o.seed, 0, s);
    const pace = rng.uniform(1.1, 1.6);
    return {
      name: `figure ${s + 1}`,
      split,
      body: randomBody(rng),
      outfit: randomOutfit(rng),
      pace,
      size: rng.uniform(0.9, 1.1),
    };
  });
}

/** The 25 joints at a time in [0, 1] of the clip, in the body's own space, without noise. */
export function jointsAt({ action, subject, style }: Performance, time: number): Vector[] {
  return placeJoints(subject.body, poseAt(action, style, time));
}

/** Writes [frames, 25, 3] joints as a sensor sees them, rounded to 0.1 mm. */
function recordSkeleton(performance: Performance, rng: Rng, to: Float32Array, frames: number): void {
  for (let t = 0; t < frames; t++)
    for (const [v, joint] of jointsAt(performance, (t + 0.5) / frames).entries()) {
      const jump = rng.uniform() < JUMP_CHANCE ? JUMP : 0;
      for (const [c, value] of toCamera(performance.camera, joint).entries()) {
        const noisy = value + JITTER * rng.gaussian() + jump * rng.uniform(-1, 1);
        to[(t * 25 + v) * 3 + c] = Math.round(noisy * 1e4) / 1e4;
      }
    }
}

/** Writes [frames, H, W, 3] bytes. The room is drawn once, on the first canvas; every frame starts as its copy. */
function renderClip(
  performance: Performance,
  rng: Rng,
  to: Uint8Array,
  o: Required<FiguresOptions>,
  [room, frame]: [Canvas, Canvas],
): void {
  const light = unit([rng.uniform(-0.8, 0.8), rng.uniform(0.4, 1), rng.uniform(-1, -0.4)]);
  const gain = rng.uniform(0.8, 1.15);
  const prop = randomProp(rng);
  room.depth.fill(Number.POSITIVE_INFINITY);
  drawRoom(room, performance.camera, rng, light);
  for (let t = 0; t < o.frames; t++) {
    copyCanvas(room, frame);
    drawFigure(frame, performance, prop, (t + 0.5) / o.frames, light);
    readFrame(frame, rng, gain, part(to, t, o.frames), o.width);
  }
}

function drawFigure(canvas: Canvas, performance: Performance, prop: Prop, time: number, light: Vector): void {
  const { action, subject, style, camera } = performance;
  const joints = jointsAt(performance, time);
  const [base, left, right] = [joints[0]!, joints[14]!, joints[18]!];
  for (const [x, , z] of [base, left, right])
    drawShadow(canvas, toCamera(camera, [x, 0, z]), 0.25, camera.focal);
  const held = holdProp(action.held, prop, joints, style.mirrored);
  for (const capsule of [...dressBody(joints, subject.body, subject.outfit), ...held]) {
    const [a, b] = [toCamera(camera, capsule.a), toCamera(camera, capsule.b)];
    drawCapsule(canvas, { ...capsule, a, b }, camera.focal, light);
  }
}

/** Bytes of a frame, with the gain and the noise of a camera. */
function readFrame(canvas: Canvas, rng: Rng, gain: number, to: Uint8Array, width: number): void {
  for (let at = 0; at < to.length; at++) {
    const [pixel, channel] = [Math.floor(at / 3), at % 3];
    const value = readPixel(canvas, pixel % width, Math.floor(pixel / width), channel);
    to[at] = Math.min(255, Math.max(0, Math.round(255 * gain * value + rng.uniform(-5, 5))));
  }
}

/** The `i`-th of `n` equal parts. */
function part<T extends Uint8Array | Float32Array>(data: T, i: number, n: number): T {
  const size = data.length / n;
  return data.subarray(i * size, (i + 1) * size) as T;
}
