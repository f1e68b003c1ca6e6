import type { Look } from './attack.ts';
import { find, makeSvg } from './dom.ts';
import { largestChange } from './view-frames.ts';

type Positions = ArrayLike<number>;
type Vector = readonly [x: number, y: number, z: number];

/** Share of the height of the drawing that the longest magnified movement reaches. */
const VISIBLE = 0.07;
const SIZE = 100;

/** From metres to the drawing: the middle of the clip, and units per metre. */
interface Fit {
  readonly middle: Vector;
  readonly scale: number;
}

/** The skeleton before and after the attack, and every joint's movement magnified. */
export class SkeletonView {
  readonly #shape: readonly [frames: number, joints: number, axes: number];
  readonly #parents: readonly number[];
  readonly #note = find('pose-note', HTMLElement);
  readonly #paths = makePaths();
  #clean: Positions = [];
  #attacked: Positions = [];
  #magnified: Positions = [];
  #fit: Fit = { middle: [0, 0, 0], scale: 1 };

  constructor(shape: readonly [number, number, number], parents: readonly number[]) {
    this.#shape = shape;
    this.#parents = parents;
  }

  show({ skeleton: clean }: Look, { skeleton: attacked }: Look): void {
    const largest = largestChange(clean, attacked);
    this.#fit = fitTo(clean);
    const factor = Math.max(1, Math.round((VISIBLE * SIZE) / this.#fit.scale / largest));
    this.#note.textContent = largest === 0 ? 'no change' : `change × ${factor}`;
    this.#clean = clean;
    this.#attacked = attacked;
    this.#magnified = Array.from(clean, (v, i) => v + (largest && factor * ((attacked[i] ?? v) - v)));
  }

  /** Draws the poses at a time, turned by an angle about the vertical. */
  draw(time: number, angle: number): void {
    const frame = Math.floor(time * this.#shape[0]);
    const points = (positions: Positions) => this.#points(positions, frame, angle);
    const clean = points(this.#clean);
    const bones = this.#bones(clean);
    this.#paths.clean.setAttribute('d', bones);
    for (const ghost of this.#paths.ghosts) ghost.setAttribute('d', bones);
    this.#paths.attacked.setAttribute('d', this.#bones(points(this.#attacked)));
    const moved = points(this.#magnified);
    this.#paths.change.setAttribute('d', clean.map((from, v) => line(from, moved[v])).join(''));
  }

  #points(positions: Positions, frame: number, angle: number): string[] {
    const joints = this.#shape[1];
    const at = (v: number, axis: number) => positions[(frame * joints + v) * 3 + axis] ?? 0;
    return Array.from({ length: joints }, (_, v) =>
      project([at(v, 0), at(v, 1), at(v, 2)], this.#fit, angle),
    );
  }

  #bones(points: readonly string[]): string {
    return this.#parents.map((parent, v) => line(points[parent], points[v])).join('');
  }
}

function makePaths() {
  const draw = (id: string, ...names: string[]) => {
    const svg = find(id, SVGSVGElement);
    svg.setAttribute('viewBox', `0 0 ${SIZE} ${SIZE}`);
    const paths = names.map((name) => makeSvg('path', { class: name }));
    svg.replaceChildren(...paths);
    return paths as [SVGElement, SVGElement];
  };
  const [clean] = draw('pose-clean', 'clean');
  const [behind, attacked] = draw('pose-attacked', 'ghost', 'changed');
  const [under, change] = draw('pose-change', 'ghost', 'changed');
  return { clean, attacked, change, ghosts: [behind, under] };
}

/** Fits all but the farthest hundredth of the joints, which the sensor got wrong. */
function fitTo(positions: Positions): Fit {
  const axis = (c: number) => Array.from(positions).filter((_, i) => i % 3 === c);
  const span = (values: readonly number[]) => {
    const sorted = [...values].sort((a, b) => a - b);
    const skip = Math.floor(sorted.length / 100);
    return [sorted[skip] ?? 0, sorted[sorted.length - 1 - skip] ?? 0] as const;
  };
  const spans = [0, 1, 2].map((c) => span(axis(c)));
  const widest = Math.max(0.1, ...spans.map(([low, high]) => high - low));
  const [x = 0, y = 0, z = 0] = spans.map(([low, high]) => (low + high) / 2);
  return { middle: [x, y, z], scale: (0.88 * SIZE) / widest };
}

function project([x, y, z]: Vector, { middle, scale }: Fit, angle: number): string {
  const across = (x - middle[0]) * Math.cos(angle) + (z - middle[2]) * Math.sin(angle);
  const place = (value: number) => (SIZE / 2 + value * scale).toFixed(1);
  return `${place(across)},${place(middle[1] - y)}`;
}

function line(from: string | undefined, to: string | undefined): string {
  return from && to ? `M${from}L${to}` : '';
}
