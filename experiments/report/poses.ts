import type { Exhibit } from '../results.ts';
import { short } from './format.ts';
import { pickFrames } from './frames.ts';
import { type Content, type Html, html } from './html.ts';

type Skeletons = NonNullable<Exhibit['skeletons']>;

/** Height of a drawn pose in user units. */
const HEIGHT = 100;
/** Share of the height of a figure that the longest magnified movement should reach. */
const VISIBLE = 0.055;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** What all drawings of one exhibit share, so that they compare. */
interface Stage {
  readonly skeletons: Skeletons;
  readonly frames: readonly number[];
  /** Units per metre, top and half width in metres. */
  readonly scale: number;
  readonly top: number;
  readonly half: number;
}

/** Clean poses, attacked poses over them, and the movement of each joint magnified; seen from the front. */
export function poseRows(skeletons: Skeletons): Html[] {
  const { clean, attacked } = skeletons;
  const stage = makeStage(skeletons);
  const largest = clean.reduce((most, v, i) => Math.max(most, Math.abs((attacked[i] ?? v) - v)), 0);
  const standing = (name: string) => (frame: number) => bones(stage, clean, frame, name);
  if (largest === 0) return [poseRow(stage, 'Skeleton, not attacked', '', standing('clean'))];
  const factor = Math.max(1, Math.round((VISIBLE * HEIGHT) / stage.scale / largest));
  const magnified = clean.map((v, i) => v + factor * ((attacked[i] ?? v) - v));
  const over = (draw: (frame: number) => Html) => (frame: number) => [standing('ghost')(frame), draw(frame)];
  const note = `a line for each joint; largest ${short(largest * 100)} cm`;
  return [
    poseRow(stage, 'Skeleton, clean', '', standing('clean')),
    poseRow(
      stage,
      'Skeleton, attacked',
      'thin: clean',
      over((t) => bones(stage, attacked, t, 'changed')),
    ),
    poseRow(
      stage,
      `Change × ${factor}`,
      note,
      over((t) => movements(stage, magnified, t)),
    ),
  ];
}

function makeStage(skeletons: Skeletons): Stage {
  const frames = pickFrames(skeletons.shape[0]);
  const joints = frames.flatMap((t) => posePoints(skeletons, skeletons.clean, t));
  const [top, bottom] = [Math.max(...joints.map((p) => p.y)), Math.min(...joints.map((p) => p.y))];
  const half = Math.max(...joints.map((p) => Math.abs(p.x)));
  const margin = 0.15 * Math.max(top - bottom, half, 1e-6);
  return {
    skeletons,
    frames,
    scale: HEIGHT / (top - bottom + 2 * margin),
    top: top + margin,
    half: half + margin,
  };
}

/** Joints of a frame in metres, x from the middle of the clean pose. */
function posePoints({ shape, clean }: Skeletons, positions: Float32Array, frame: number): Point[] {
  const joints = Array.from({ length: shape[1] }, (_, v) => (frame * shape[1] + v) * 3);
  const xs = joints.map((at) => clean[at] ?? 0);
  const middle = (Math.max(...xs) + Math.min(...xs)) / 2;
  return joints.map((at) => ({ x: (positions[at] ?? 0) - middle, y: positions[at + 1] ?? 0 }));
}

function poseRow(stage: Stage, caption: string, note: string, draw: (frame: number) => Content): Html {
  const { skeletons, frames, half, scale } = stage;
  const box = `0 0 ${(2 * half * scale).toFixed(1)} ${HEIGHT}`;
  const poses = frames.map((frame) => html`<svg viewBox="${box}" aria-hidden="true">${draw(frame)}</svg>`);
  const alt = `${caption}: poses at frames ${frames.map((f) => f + 1).join(', ')} of ${skeletons.shape[0]}`;
  return html`<div class="row"><div class="name">${caption}<small>${note}</small></div><div class="poses" role="img" aria-label="${alt}">${poses}</div></div>`;
}

/** A line from the parent to each joint. */
function bones(stage: Stage, positions: Float32Array, frame: number, name: string): Html {
  const points = posePoints(stage.skeletons, positions, frame);
  const lines = stage.skeletons.parents.map((parent, v) => line(stage, points[parent], points[v]));
  return html`<path class="${name}" d="${lines.join('')}"/>`;
}

/** A line from where each joint was to where it went. */
function movements(stage: Stage, positions: Float32Array, frame: number): Html {
  const from = posePoints(stage.skeletons, stage.skeletons.clean, frame);
  const to = posePoints(stage.skeletons, positions, frame);
  return html`<path class="changed" d="${from.map((point, v) => line(stage, point, to[v])).join('')}"/>`;
}

function line({ half, scale, top }: Stage, from: Point | undefined, to: Point | undefined): string {
  if (!from || !to) return '';
  const place = ({ x, y }: Point) => `${((x + half) * scale).toFixed(1)},${((top - y) * scale).toFixed(1)}`;
  return `M${place(from)}L${place(to)}`;
}
