/** Philox4x32-10 in plain integers: the words of blocks from `counter` on, for references. */
export function philoxWords(count: number, counter: readonly number[], key: readonly number[]): Uint32Array {
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let block = 0; block * 4 < count; block++) {
    const start = [((counter[0] ?? 0) + block) >>> 0, ...counter.slice(1)];
    words.set(philoxBlock(start, key), block * 4);
  }
  return words.subarray(0, count);
}

function philoxBlock(counter: readonly number[], key: readonly number[]): number[] {
  let [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = counter;
  let [k0 = 0, k1 = 0] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = product(0xd2511f53, c0);
    const [high1, low1] = product(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    [k0, k1] = [(k0 + 0x9e3779b9) >>> 0, (k1 + 0xbb67ae85) >>> 0];
  }
  return [c0, c1, c2, c3];
}

function product(a: number, b: number): [number, number] {
  const full = BigInt(a) * BigInt(b);
  return [Number(full >> 32n), Number(full & 0xffff_ffffn)];
}
