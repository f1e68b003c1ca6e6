import { check } from '../errors.ts';
import { add, mul, relu, sub } from '../kernels/elementwise.ts';
import { transpose } from '../kernels/layout.ts';
import { matmul } from '../kernels/matmul.ts';
import { Module } from '../nn/module.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface FeatureMemoryOptions {
  /** λ of the sparse code's ℓ1 norm; 0.1 when left out. */
  readonly sparsity?: number;
  /** Share of the re-expressed features in the result; 0.5 when left out. */
  readonly blend?: number;
  /** Steps of ISTA; 100 when left out. */
  readonly iterations?: number;
}

/**
 * External feature memory (Tian and Xu 2021, arXiv:2104.02000, section 4): features re-expressed by sparse codes over a
 * dictionary D [K, C] of training features, `h = argmin ½‖f − h D‖² + λ‖h‖₁`, `f' = (1 − b) f + b h D`, [N, C] → [N, C].
 * h comes from ISTA, `h ← shrink(h − (h D − f) Dᵀ / L, λ / L)` from h = 0 with L the largest eigenvalue of D Dᵀ, and
 * gradients go through every step of it. D is not trained.
 */
export class FeatureMemory extends Module {
  readonly dictionary: Tensor;
  readonly #step: number;
  readonly #options: Required<FeatureMemoryOptions>;

  private constructor(dictionary: Tensor, step: number, options: FeatureMemoryOptions) {
    super();
    this.dictionary = dictionary;
    this.#step = step;
    this.#options = { sparsity: 0.1, blend: 0.5, iterations: 100, ...options };
  }

  /**
   * A memory of the features [K, C] of K training samples, which are copied. Throws `ShapeError` unless they are a
   * matrix with something other than zeros and finite.
   */
  static async of(features: Tensor, options: FeatureMemoryOptions = {}): Promise<FeatureMemory> {
    const { device, shape } = features;
    check(shape.length === 2, 'FeatureMemory', () => `features must be [K, C]; got ${features}`);
    const data = Float32Array.from(await features.read());
    const most = largestEigenvalue(data, shape[1] ?? 0);
    check(
      most > 0 && Number.isFinite(most),
      'FeatureMemory',
      () => `features must be finite and not all zero; got a largest eigenvalue of ${most}`,
    );
    return new FeatureMemory(device.keep(device.tensor(data, shape)), 1 / most, options);
  }

  forward(features: Tensor): Tensor {
    const { sparsity, blend, iterations } = this.#options;
    const dual = transpose(this.dictionary);
    const gram = mul(matmul(this.dictionary, dual), this.#step);
    const target = mul(matmul(features, dual), this.#step);
    let code = shrink(target, sparsity * this.#step);
    for (let i = 1; i < iterations; i++)
      code = shrink(add(sub(code, matmul(code, gram)), target), sparsity * this.#step);
    const expressed = matmul(code, this.dictionary);
    return add(mul(features, 1 - blend), mul(expressed, blend));
  }

  protected override bufferNames(): readonly string[] {
    return ['dictionary'];
  }
}

/** `sign(x) max(|x| − threshold, 0)`. */
function shrink(x: Tensor, threshold: number): Tensor {
  return sub(relu(sub(x, threshold)), relu(sub(-threshold, x)));
}

/** Of D Dᵀ, by power iteration on Dᵀ D, with a margin so that 1 / L never is too large a step. */
function largestEigenvalue(data: Float32Array, channels: number): number {
  // An irregular start: a regular one may be orthogonal to the direction that is looked for.
  let direction = Float64Array.from({ length: channels }, (_, c) => Math.sin(c * c + 1));
  let norm = 0;
  for (let i = 0; i < 100; i++) {
    const next = new Float64Array(channels);
    for (let row = 0; row < data.length; row += channels) {
      let dot = 0;
      for (let c = 0; c < channels; c++) dot += (data[row + c] ?? 0) * (direction[c] ?? 0);
      for (let c = 0; c < channels; c++) next[c] = (next[c] ?? 0) + dot * (data[row + c] ?? 0);
    }
    norm = Math.hypot(...next);
    if (!(norm > 0)) return norm;
    direction = next.map((value) => value / norm);
  }
  return norm * 1.01;
}
