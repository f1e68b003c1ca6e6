import { expect, test } from 'vitest';
import { FormatError } from '../../src/errors.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear } from '../../src/nn/layers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import { openTestDevice } from '../open.ts';
import { values } from './tools.ts';

test('a root is refused where the format has none, and the network stays as it is', async () => {
  const device = await openTestDevice();
  const layer = new Linear(new Initialiser(device, 1), { in: 1, out: 2, bias: false });
  const before = await values(layer.weight);
  const weight: StoredTensor = { dtype: 'F32', shape: [2, 1], data: Float32Array.of(3, 4) };
  const state = new Map([['weight', weight]]);
  for (const [given, name] of [
    [state, 'loadTorch'],
    [encodeSafetensors(state), 'decodeArrays'],
  ] as const) {
    await expect(loadTorch(layer, given, { root: 'foo' })).rejects.toThrow(
      new FormatError(name, 'the file: only files of PyTorch have a root; leave out "foo"'),
    );
  }
  expect(await values(layer.weight)).toEqual(before);
  const page = new TextEncoder().encode('<!doctype html>');
  await expect(loadTorch(layer, page, { root: 'foo' })).rejects.toThrow('is none of safetensors');
  await loadTorch(layer, state, { root: '' });
  expect(await values(layer.weight)).toEqual([3, 4]);
  await device.dispose();
});
