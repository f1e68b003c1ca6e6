/** The number that 16 bits stand for: sign, 5 bits of exponent with bias 15, 10 of fraction (IEEE 754 binary16). */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const word = new DataView(new ArrayBuffer(4));

/** The 16 bits nearest to a number of f32 (ties to even): ±∞ from 65520 on, and a quiet NaN. The inverse of `halfToFloat`. */
export function floatToHalf(value: number): number {
  word.setFloat32(0, value);
  const sign = (word.getUint32(0) >>> 16) & 0x8000;
  const size = word.getUint32(0) & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x47800000) return sign | 0x7c00;
  if (size < 0x38800000) return sign | subnormal(Math.abs(value));
  // 13 bits of fraction go; a carry runs into the exponent, up to that of ∞.
  return sign | ((size + 0xfff + ((size >>> 13) & 1) - 0x38000000) >>> 13);
}

/** In [0.5, 1) f32 has steps of 2⁻²⁴, as f16 has below 2⁻¹⁴: the addition rounds. */
function subnormal(size: number): number {
  word.setFloat32(0, size + 0.5);
  return word.getUint32(0) - 0x3f000000;
}
