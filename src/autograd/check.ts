import { KernelError } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { grad } from './grad.ts';

export interface CheckOptions {
  /** Step of the central difference, relative to `max(1, |x|)`: f32 functions need a wide one. */
  readonly step?: number;
  /** Largest deviation allowed, relative to the largest numeric derivative of the input. */
  readonly tolerance?: number;
  /** Elements probed in each input, spread evenly. */
  readonly probes?: number;
}

/**
 * Compares the gradients of `fn` (a scalar loss) by each input with central differences
 * `(fn(x + h) − fn(x − h)) / 2h`, computed in f32 on the device. Inputs are written to and restored. Returns the largest
 * relative deviation; throws `KernelError` when it exceeds the tolerance, naming the input and the element.
 */
export async function checkGradients(
  fn: () => Tensor,
  inputs: readonly Tensor[],
  { step = 1e-2, tolerance = 2e-2, probes = 16 }: CheckOptions = {},
): Promise<number> {
  const grads = grad(fn, inputs);
  try {
    let worst = 0;
    for (const [i, input] of inputs.entries()) {
      const analytic = await (grads[i] as Tensor).read();
      const numeric = await centralDifferences(fn, input, step, probes);
      worst = Math.max(worst, worstDeviation(i, analytic, numeric, tolerance));
    }
    return worst;
  } finally {
    for (const tensor of grads) tensor.dispose();
  }
}

/** The largest deviation of `analytic` from the quotients, relative to the largest of them. Throws past the tolerance. */
function worstDeviation(
  input: number,
  analytic: ArrayLike<number>,
  numeric: ReadonlyMap<number, number>,
  tolerance: number,
): number {
  let worst = 0;
  const scale = Math.max(...[...numeric.values()].map(Math.abs), 1e-3);
  for (const [at, expected] of numeric) {
    const error = Math.abs((analytic[at] ?? Number.NaN) - expected) / scale;
    if (!(error <= tolerance)) {
      throw new KernelError(
        'checkGradients',
        `input ${input}, element ${at}: gradient ${analytic[at]}, difference quotient ${expected}`,
      );
    }
    worst = Math.max(worst, error);
  }
  return worst;
}

/** Difference quotients at up to `probes` elements of `input`, by flat index. */
async function centralDifferences(
  fn: () => Tensor,
  input: Tensor,
  step: number,
  probes: number,
): Promise<Map<number, number>> {
  const original = Float32Array.from(await input.read());
  const count = Math.min(probes, original.length);
  const found = new Map<number, number>();
  try {
    for (let k = 0; k < count; k++) {
      const at = Math.floor((k * original.length) / count);
      const h = step * Math.max(1, Math.abs(original[at] ?? 0));
      const up = await valueAt(fn, input, original, at, h);
      const down = await valueAt(fn, input, original, at, -h);
      found.set(at, (up - down) / (2 * h));
    }
  } finally {
    input.device.write(input, original);
  }
  return found;
}

function valueAt(
  fn: () => Tensor,
  input: Tensor,
  original: Float32Array,
  at: number,
  h: number,
): Promise<number> {
  const moved = original.slice();
  moved[at] = (moved[at] ?? 0) + h;
  input.device.write(input, moved);
  return input.device.scope(() => fn().item());
}
