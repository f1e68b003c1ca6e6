import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
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
  async function refused(target: NamedTensors, bytes: Uint8Array): Promise<string> {
    const before = await allBits(target);
    let error: unknown;
    try {
      decodeState(target, bytes, 'best.safetensors');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FormatError);
    expect(await allBits(target)).toEqual(before);
    return (error as FormatError).message;
  }

  test('names missing and left-over tensors', async () => {
    const [target, saved] = [network(1), network(2)];
    saved.delete('layers.1.gamma');
    saved.set('extra.weight', device.tensor([1]));
    const message = await refused(target, await encodeState(saved));
    expect(message).toContain('best.safetensors');
    expect(message).toContain('lacks layers.1.gamma');
    expect(message).toContain('has extra.weight');
  });

  test('names at most three of many', async () => {
    const message = await refused(network(1), await encodeState(new Map()));
    expect(message).toContain('lacks layers.0.weight, layers.1.gamma, layers.1.beta, …');
  });

  test('names a tensor of another shape, with both shapes', async () => {
    const message = await refused(network(1), await encodeState(network(2, 5)));
    expect(message).toContain('layers.0.weight is F32 [3, 2, 5]; expected F32 [3, 2, 4]');
  });

  test('names a tensor of another element type', async () => {
    const { tensors } = decodeSafetensors(await encodeState(network(2)), 'x');
    const ints: StoredTensor = { dtype: 'I32', shape: [4], data: new Int32Array(4) };
    const message = await refused(network(1), encodeSafetensors(tensors.set('layers.1.beta', ints)));
    expect(message).toContain('layers.1.beta is I32 [4]; expected F32 [4]');
  });

  test('is refused when truncated anywhere', async () => {
    const bytes = await encodeState(network(2));
    const target = network(1);
    for (const length of [0, 7, 8, 100, bytes.length - 4, bytes.length - 1])
      await refused(target, bytes.subarray(0, length));
  });
});
