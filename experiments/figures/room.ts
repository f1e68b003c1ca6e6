import type { Rng } from '../../src/data/rng.ts';
import { type Camera, look } from './camera.ts';
import { type Canvas, type Capsule, type Colour, drawCapsule, hsv, paint, project } from './canvas.ts';
import { addScaled, mix, type Vector } from './vector.ts';

/** Draws the room of one sample: a textured wall and floor, pictures on the wall and things standing about. */
export function drawRoom(canvas: Canvas, camera: Camera, rng: Rng, light: Vector): void {
  const wallDistance = camera.distance + rng.uniform(1.2, 2.5);
  const horizon = project(canvas, look(camera, [0, -camera.height, wallDistance]), camera.focal)[1];
  const wall = randomSurface(rng, canvas.height);
  const floor = randomSurface(rng, canvas.height);
  const pictures = Array.from({ length: rng.integer(4) }, () => randomPicture(rng, canvas, horizon));
  for (let at = 0; at < canvas.depth.length; at++) {
    const [x, y] = [at % canvas.width, Math.floor(at / canvas.width)];
    const picture = pictures.find((p) => x >= p.left && x < p.right && y >= p.top && y < p.bottom);
    const surface = y >= horizon ? floor : wall;
    paint(canvas, at, picture?.colour ?? surfaceColour(surface, x, y));
  }
  for (const capsule of clutter(rng, camera, wallDistance)) drawCapsule(canvas, capsule, camera.focal, light);
}

interface Surface {
  colours: [Colour, Colour];
  /** Pattern: cells of this size in subpixels, sheared by `slant`. */
  cell: number;
  slant: number;
  pattern: 'noise' | 'stripes' | 'checks';
  seed: number;
}

function randomSurface(rng: Rng, height: number): Surface {
  const base = hsv(rng.uniform(), rng.uniform(0, 0.4), rng.uniform(0.25, 0.95));
  const other = hsv(rng.uniform(), rng.uniform(0, 0.4), rng.uniform(0.25, 0.95));
  return {
    colours: [base, mix(base, other, rng.uniform(0.08, 0.3))],
    cell: height * rng.uniform(0.06, 0.25),
    slant: rng.uniform(-0.6, 0.6),
    pattern: rng.pick(['noise', 'noise', 'stripes', 'checks']),
    seed: rng.uint32(),
  };
}

function surfaceColour({ colours, cell, slant, pattern, seed }: Surface, x: number, y: number): Colour {
  const [u, v] = [(x + slant * y) / cell, y / cell];
  const [i, j] = [Math.floor(u), Math.floor(v)];
  if (pattern === 'stripes') return colours[i & 1]!;
  if (pattern === 'checks') return colours[(i + j) & 1]!;
  return mix(...colours, valueNoise(seed, u, v));
}

/** Smooth noise in [0, 1]: random values on a grid, interpolated linearly. */
function valueNoise(seed: number, u: number, v: number): number {
  const [i, j] = [Math.floor(u), Math.floor(v)];
  const [a, b] = [u - i, v - j];
  const corner = (di: number, dj: number) => lattice(seed, i + di, j + dj);
  const top = corner(0, 0) * (1 - a) + corner(1, 0) * a;
  const bottom = corner(0, 1) * (1 - a) + corner(1, 1) * a;
  return top * (1 - b) + bottom * b;
}

function lattice(seed: number, i: number, j: number): number {
  let h = seed ^ Math.imul(i, 0x27d4eb2d) ^ Math.imul(j, 0x165667b1);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
}

function randomPicture(rng: Rng, canvas: Canvas, horizon: number) {
  const left = rng.uniform(-0.1, 0.9) * canvas.width;
  const top = rng.uniform(0, 0.6) * horizon;
  return {
    left,
    top,
    right: left + canvas.width * rng.uniform(0.1, 0.35),
    bottom: Math.min(top + canvas.height * rng.uniform(0.1, 0.4), horizon),
    colour: hsv(rng.uniform(), rng.uniform(0, 0.8), rng.uniform(0.2, 1)),
  };
}

/** Balls, poles and benches behind and beside the person, in camera space. */
function clutter(rng: Rng, camera: Camera, wallDistance: number): Capsule[] {
  return Array.from({ length: 1 + rng.integer(4) }, () => {
    const radius = rng.uniform(0.06, 0.22);
    const z = rng.uniform(camera.distance + 0.4, wallDistance);
    const foot: Vector = [rng.uniform(-1.6, 1.6), radius - camera.height, z];
    const extent = rng.pick<Vector>([
      [0, 0, 0],
      [0, rng.uniform(0.5, 1.8), 0],
      [rng.uniform(-0.9, 0.9), 0, 0],
    ]);
    const colour = hsv(rng.uniform(), rng.uniform(0.1, 1), rng.uniform(0.3, 1));
    return { a: look(camera, foot), b: look(camera, addScaled(foot, extent)), radius, colour };
  });
}
