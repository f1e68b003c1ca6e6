// As much of the Protocol Buffers wire format as an ONNX model needs.

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

export type Bytes = Uint8Array<ArrayBuffer>;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return [...bytes, Number(left)];
}

export function concatBytes(parts: readonly Bytes[]): Bytes {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function intField(field: number, value: number): Bytes {
  return Uint8Array.from([...varint((field << 3) | VARINT), ...varint(value)]);
}

export function floatField(field: number, value: number): Bytes {
  return concatBytes([
    Uint8Array.from(varint((field << 3) | FIXED32)),
    new Uint8Array(Float32Array.of(value).buffer),
  ]);
}

/** A nested message, or raw data. */
export function bytesField(field: number, ...parts: readonly Bytes[]): Bytes {
  const content = concatBytes(parts);
  return concatBytes([
    Uint8Array.from([...varint((field << 3) | BYTES), ...varint(content.length)]),
    content,
  ]);
}

export function textField(field: number, text: string): Bytes {
  return bytesField(field, new TextEncoder().encode(text));
}
