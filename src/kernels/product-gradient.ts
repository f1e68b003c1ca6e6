import type { Tensor } from '../tensor/tensor.ts';

/** How the factors of a product of matrices A · B are stored. */
interface Transposes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** A product of the kind whose gradient is taken. */
type Multiply = (a: Tensor, b: Tensor, options: Partial<Transposes>) => Tensor;

/** The gradient with respect to a: g Bᵀ, or its transpose B gᵀ where a is stored transposed. */
export function gradientOfA(
  b: Tensor,
  g: Tensor,
  { transposeA, transposeB }: Transposes,
  multiply: Multiply,
): Tensor {
  return transposeA
    ? multiply(b, g, { transposeA: transposeB, transposeB: true })
    : multiply(g, b, { transposeB: !transposeB });
}

/** The gradient with respect to b: Aᵀ g, or its transpose gᵀ A where b is stored transposed. */
export function gradientOfB(
  a: Tensor,
  g: Tensor,
  { transposeA, transposeB }: Transposes,
  multiply: Multiply,
): Tensor {
  return transposeB
    ? multiply(g, a, { transposeA: true, transposeB: transposeA })
    : multiply(a, g, { transposeA: !transposeA });
}
