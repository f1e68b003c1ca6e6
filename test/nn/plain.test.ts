import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeArrays } from '../../src/formats/decode.ts';
import { decodeNpy, decodeNpz } from '../../src/formats/npy.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.ts';
import { decodeTorch } from '../../src/formats/torch-file.ts';
import { encodeTorch } from '../../src/formats/torch-writer.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear } from '../../src/nn/layers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import { saveTorch, torchStateDict } from '../../src/nn/save-torch.ts';
import { decodeState, encodeState } from '../../src/nn/state.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { expectRefusals } from '../plain.ts';

let device: Device;
let model: Linear;
beforeAll(async () => {
  device = await openTestDevice();
  model = new Linear(new Initialiser(device, 1), { in: 2, out: 2 });
});
afterAll(() => device.dispose());

test('plain JavaScript that loads and saves networks', async () => {
  const file = await saveTorch(model);
  const none = /needs a model, a Module; got/;
  for (const save of [saveTorch, torchStateDict])
    await expectRefusals(save, [
      [[], none],
      [[null], none],
      [[{}], none],
    ]);
  const stored =
    /loadTorch: "weight" must be a StoredTensor, such as dtype 'F32'.*; got dtype undefined, shape/;
  await expectRefusals(loadTorch, [
    [[], none],
    [[{}, file], none],
    [[model], /loadTorch: needs the bytes of a file \(Uint8Array\) or a Map of its arrays; got undefined/],
    [[model, file.buffer], /a Map of its arrays; got ArrayBuffer/],
    [[model, file, null], /loadTorch: needs options .*; got null/],
    [[model, file, { strickt: false }], /loadTorch: options have no 'strickt'; 'strict' is meant/],
    [[model, new Map([['weight', 3]])], stored],
    [[model, new Map([['weight', null]])], stored],
  ]);
});

test('plain JavaScript that writes files', async () => {
  const one = (stored: unknown) => [new Map([['w', stored]])];
  const tensor = device.tensor([1, 2]);
  for (const encode of [encodeSafetensors, encodeTorch])
    await expectRefusals(encode, [
      [[], /needs a Map of stored tensors by name; got undefined/],
      [[{ w: tensor }], /needs a Map of stored tensors by name; got Object/],
      [[[1]], /needs a Map of stored tensors by name; got 1/],
      [one(null), /"w" must be a StoredTensor, .*; got dtype undefined/],
      [one(tensor), /"w" must be a StoredTensor, .*; got dtype the text "f32", shape Array, data undefined/],
      [one({ dtype: 'F32', shape: [2] }), /got dtype the text "F32", shape Array, data undefined/],
      [one({ dtype: 'F32', shape: [2], data: [1, 2] }), /data Array/],
      [one({ dtype: 'F32', shape: 2, data: new Float32Array(2) }), /shape 2/],
    ]);
  await expectRefusals(encodeSafetensors, [
    [[new Map(), null], /encodeSafetensors: needs metadata, strings by name; got null/],
    [[new Map(), { epoch: 1 }], /encodeSafetensors: needs metadata, strings by name; got Object/],
  ]);
  const named = /needs a Map of tensors by name, such as namedState\(\); got/;
  await expectRefusals(encodeState, [
    [[], named],
    [[{ w: tensor }], named],
    [one(1), named],
  ]);
  await expectRefusals(decodeState, [
    [[], named],
    [[model.namedState(), undefined, 'a'], /a: needs its bytes, a Uint8Array; got undefined/],
  ]);
});

test.each([
  ['decodeSafetensors', decodeSafetensors],
  ['decodeArrays', decodeArrays],
  ['decodeTorch', decodeTorch],
  ['decodeNpy', decodeNpy],
  ['decodeNpz', decodeNpz],
])('plain JavaScript that reads files: %s', async (op, decode) => {
  await expectRefusals(decode, [
    [[undefined, 'a'], new RegExp(`${op}: a: needs its bytes, a Uint8Array; got undefined`)],
    [['w.pth', 'a'], new RegExp(`${op}: a: needs its bytes, a Uint8Array; got the text "w.pth"`)],
    [[new ArrayBuffer(20), 'a'], new RegExp(`${op}: a: needs its bytes, a Uint8Array; got ArrayBuffer`)],
  ]);
});

test('the bytes of Node are bytes', () => {
  const bytes = encodeSafetensors(
    new Map([['w', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]]),
  );
  expect(decodeSafetensors(Buffer.from(bytes), 'a').tensors.get('w')?.data).toEqual(Float32Array.of(1, 2));
});
