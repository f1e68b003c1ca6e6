import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FormatError, StateError } from '../../src/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv1d, Linear, Sequential } from '../../src/nn/layers.ts';
import type { NamedTensors } from '../../src/nn/module.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import { decodeState, encodeState } from '../../src/nn/state.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { allBits } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

function network(seed: number, width = 4): NamedTensors {
  const init = new Initialiser(device, seed);
  const layers = [new Conv1d(init, { in: 2, out: width, kernel: [3] }), new BatchNorm(init, width)];
  return new Sequential(...layers, new Linear(init, { in: width, out: 3 })).namedState();
}

test('a checkpoint comes back bit for bit, special values and empty tensors included', async () => {
  const special = Float32Array.of(Number.NaN, -0, Infinity, -Infinity, 1e-45, 3.4e38);
  const make = (data: Float32Array<ArrayBuffer>): NamedTensors =>
    new Map([...network(1), ['special', device.tensor(data)], ['none', device.tensor([], [0, 3])]]);
  const [saved, loaded] = [make(special), make(new Float32Array(6))];
  for (const tensor of loaded.values()) device.write(tensor, new Float32Array(tensor.size).fill(7));
  decodeState(loaded, await encodeState(saved), 'a.safetensors');
  expect(await allBits(loaded)).toEqual(await allBits(saved));
});

test('equal tensors give equal bytes, others do not, and metadata are kept', async () => {
  const bytes = await encodeState(network(1), { epoch: '3' });
  expect(await encodeState(new Map([...network(1)].reverse()), { epoch: '3' })).toEqual(bytes);
  expect(await encodeState(network(2), { epoch: '3' })).not.toEqual(bytes);
  expect(decodeSafetensors(bytes, 'x').metadata).toEqual({ epoch: '3' });
});

describe('a checkpoint that does not fit', () => {
  /** Loads `bytes` into `target`: the error, after a check that nothing changed. */
  async function refused(target: NamedTensors, bytes: Uint8Array): Promise<FormatError> {
    const before = await allBits(target);
    let error: unknown;
    try {
      decodeState(target, bytes, 'best.safetensors');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FormatError);
    expect(await allBits(target)).toEqual(before);
    return error as FormatError;
  }

  test('is one error with all that is missing, unexpected and misshapen, and what to do', async () => {
    const target = network(1);
    const { tensors } = decodeSafetensors(await encodeState(network(2, 5)), 'x');
    tensors.delete('layers.1.gamma');
    tensors.set('extra.weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    tensors.set('layers.1.beta', { dtype: 'I32', shape: [4], data: new Int32Array(4) });
    const error = await refused(target, encodeSafetensors(tensors));
    expect(error).toBeInstanceOf(StateError);
    expect(error).toMatchObject({ missing: ['layers.1.gamma'], unexpected: ['extra.weight'] });
    expect((error as StateError).misshapen.slice(0, 3)).toEqual([
      { name: 'layers.0.weight', found: 'F32 [3, 2, 5]', expected: 'F32 [3, 2, 4]' },
      { name: 'layers.1.beta', found: 'I32 [4]', expected: 'F32 [4]' },
      { name: 'layers.2.weight', found: 'F32 [5, 3]', expected: 'F32 [4, 3]' },
    ]);
    expect(error.message).toMatch(
      /^decodeState: best\.safetensors is a checkpoint of another network: lacks layers\.1\.gamma; has unexpected extra\.weight; layers\.0\.weight is .*; load it into the network that it was saved from$/,
    );
  });

  test('names eight of many, and how many there are', async () => {
    const many: NamedTensors = new Map(
      Array.from({ length: 9 }, (_, i) => [`t${i}`, device.tensor([i])] as const),
    );
    const { message } = await refused(many, await encodeState(new Map()));
    expect(message).toContain('lacks t0, t1, t2, t3, t4, t5, t6, t7, … (9 in all);');
  });

  test('is refused when truncated anywhere', async () => {
    const bytes = await encodeState(network(2));
    const target = network(1);
    for (const length of [0, 7, 8, 100, bytes.length - 4, bytes.length - 1])
      await refused(target, bytes.subarray(0, length));
  });
});
