/** A point or direction: x, y, z. */
export type Vector = readonly [number, number, number];

/** a + s·b. */
export function addScaled(a: Vector, b: Vector, s = 1): Vector {
  return [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
}

export function subtract(a: Vector, b: Vector): Vector {
  return addScaled(a, b, -1);
}

export function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

export function norm(a: Vector): number {
  return Math.sqrt(dot(a, a));
}

/** a / |a|; the zero vector stays zero. */
export function unit(a: Vector): Vector {
  return addScaled([0, 0, 0], a, 1 / Math.max(norm(a), 1e-9));
}

/** a + t·(b − a). */
export function mix(a: Vector, b: Vector, t: number): Vector {
  return addScaled(a, subtract(b, a), t);
}

/** Rotation by `angle` in radians about the axis 0 = x, 1 = y, 2 = z, anticlockwise seen from its tip. */
export function rotate(v: Vector, axis: 0 | 1 | 2, angle: number): Vector {
  const [i, j] = axis === 0 ? [1, 2] : axis === 1 ? [2, 0] : [0, 1];
  const out: [number, number, number] = [...v];
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  out[i] = c * v[i]! - s * v[j]!;
  out[j] = s * v[i]! + c * v[j]!;
  return out;
}
