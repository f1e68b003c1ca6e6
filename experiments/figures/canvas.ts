import { dot, type Vector } from './vector.ts';

/** Red, green, blue in [0, 1]. */
export type Colour = Vector;

/** Subpixels per pixel and axis. */
const FINE = 3;

/** A capsule in camera space (a sphere if `a` is `b`), shaded; `stripe` alternates with `colour` along its length. */
export interface Capsule {
  a: Vector;
  b: Vector;
  radius: number;
  colour: Colour;
  stripe?: Colour;
}

/** An image with a depth per subpixel; three subpixels per pixel and axis are averaged on reading. */
export interface Canvas {
  /** In subpixels. */
  width: number;
  height: number;
  rgb: Float32Array;
  depth: Float32Array;
}

/** An empty canvas for an image of `width` × `height` pixels. */
export function makeCanvas(width: number, height: number): Canvas {
  const size = width * height * FINE * FINE;
  const depth = new Float32Array(size).fill(Number.POSITIVE_INFINITY);
  return { width: width * FINE, height: height * FINE, rgb: new Float32Array(size * 3), depth };
}

/** Copies colours and depths. */
export function copyCanvas(from: Canvas, to: Canvas): void {
  to.rgb.set(from.rgb);
  to.depth.set(from.depth);
}

/** Sets a subpixel's colour. */
export function paint(canvas: Canvas, at: number, colour: Colour): void {
  for (let c = 0; c < 3; c++) canvas.rgb[3 * at + c] = colour[c]!;
}

/** A camera-space point (x right, y up, z away) in subpixels: x, y and subpixels per metre at its depth. */
export function project(canvas: Canvas, [x, y, z]: Vector, focal: number): Vector {
  const scale = (focal * canvas.height) / Math.max(z, 0.1);
  return [canvas.width / 2 + scale * x, canvas.height / 2 - scale * y, scale];
}

/** Draws a capsule: a thick line in the image whose surface bulges towards the camera, hidden by what is nearer. */
export function drawCapsule(canvas: Canvas, capsule: Capsule, focal: number, light: Vector): void {
  const [ax, ay, aScale] = project(canvas, capsule.a, focal);
  const [bx, by, bScale] = project(canvas, capsule.b, focal);
  const reach = capsule.radius * Math.max(aScale, bScale);
  const [dx, dy] = [bx - ax, by - ay];
  const length2 = dx * dx + dy * dy;
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
  const right = Math.min(canvas.width - 1, Math.ceil(Math.max(ax, bx) + reach));
  const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
  const bottom = Math.min(canvas.height - 1, Math.ceil(Math.max(ay, by) + reach));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const t = length2 > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
      const radius = capsule.radius * (aScale + t * (bScale - aScale));
      const [nx, ny] = [(px - t * dx) / radius, (py - t * dy) / radius];
      const inside = 1 - nx * nx - ny * ny;
      if (inside > 0)
        drawSubpixel(canvas, y * canvas.width + x, capsule, t, [nx, -ny, -Math.sqrt(inside)], light);
    }
  }
}

function drawSubpixel(
  canvas: Canvas,
  at: number,
  capsule: Capsule,
  t: number,
  normal: Vector,
  light: Vector,
): void {
  const { a, b, radius, colour, stripe } = capsule;
  const depth = a[2] + t * (b[2] - a[2]) + radius * normal[2];
  if (depth >= canvas.depth[at]!) return;
  canvas.depth[at] = depth;
  const shade = 0.5 + 0.5 * Math.max(0, dot(normal, light));
  const base = stripe && Math.floor(t * 6) % 2 === 1 ? stripe : colour;
  for (let c = 0; c < 3; c++) canvas.rgb[3 * at + c] = base[c]! * shade;
}

/** Darkens an ellipse of the background, centred on a camera-space point: a shadow on the floor. */
export function drawShadow(canvas: Canvas, centre: Vector, radius: number, focal: number): void {
  const [cx, cy, scale] = project(canvas, centre, focal);
  const [rx, ry] = [radius * scale, 0.3 * radius * scale];
  for (let y = Math.max(0, Math.floor(cy - ry)); y <= Math.min(canvas.height - 1, cy + ry); y++)
    for (let x = Math.max(0, Math.floor(cx - rx)); x <= Math.min(canvas.width - 1, cx + rx); x++) {
      const inside = 1 - ((x - cx) / rx) ** 2 - ((y - cy) / ry) ** 2;
      const at = 3 * (y * canvas.width + x);
      if (inside > 0) for (let c = 0; c < 3; c++) canvas.rgb[at + c]! *= 1 - 0.5 * Math.min(1, 2 * inside);
    }
}

/** One channel of one pixel: the mean of its subpixels. */
export function readPixel(canvas: Canvas, x: number, y: number, channel: number): number {
  let sum = 0;
  for (let i = 0; i < FINE; i++)
    for (let j = 0; j < FINE; j++)
      sum += canvas.rgb[3 * ((y * FINE + i) * canvas.width + x * FINE + j) + channel]!;
  return sum / (FINE * FINE);
}

/** Colour of a hue, saturation and value in [0, 1]. */
export function hsv(hue: number, saturation: number, value: number): Colour {
  const channel = (n: number) => {
    const k = (n + 6 * hue) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}
