import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { decodeTorch } from '../../src/formats/torch-file.ts';
import { encodeTorch } from '../../src/formats/torch-writer.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv2d, GraphConv, Linear, MultiHeadAttention, Sequential } from '../../src/nn/layers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import { Module } from '../../src/nn/module.ts';
import { BatchNorm, LayerNorm } from '../../src/nn/norms.ts';
import { saveTorch, torchStateDict } from '../../src/nn/save-torch.ts';
import type { Device } from '../../src/tensor/device.ts';
import { dict, legacyFile, str, tensor } from '../formats/pickle-tools.ts';
import { openTestDevice } from '../open.ts';
import { allBits, numbers } from './tools.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** A network with a layer of every kind that has a rule. */
function network(seed: number): Sequential {
  const init = new Initialiser(device, seed);
  return new Sequential(
    new Conv2d(init, { in: 3, out: 4, kernel: [3, 2], bias: true }),
    new BatchNorm(init, 4),
    new Sequential(new LayerNorm(init, 4), new MultiHeadAttention(init, { width: 4, heads: 2 })),
    new GraphConv(init, { in: 2, out: 3, adjacency: new Float32Array(8), joints: 2 }),
    new Linear(init, { in: 4, out: 2 }),
  );
}

const NAMES = [
  ...['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked'],
  ...[
    '2.0.weight',
    '2.0.bias',
    '2.1.in_proj_weight',
    '2.1.in_proj_bias',
    '2.1.out_proj.weight',
    '2.1.out_proj.bias',
  ],
  ...['3.conv.weight', '3.bias', '3.mask', '3.adjacency', '4.weight', '4.bias'],
];

/** A PyTorch state_dict for it, every f32 with bits of its own, NaN and −0 among them. */
function state(): Map<string, StoredTensor> {
  let seed = 1;
  const entries = network(1)
    .torchState()
    .map((entry): [string, StoredTensor] => {
      if (!('parts' in entry))
        return [entry.name, { dtype: 'I64', shape: [], data: BigInt64Array.of(2n ** 60n) }];
      const data = numbers(
        entry.shape.reduce((a, b) => a * b, 1),
        seed++,
      );
      if (seed === 3) new Uint32Array(data.buffer).set([0x7fc12345, 0x80000000, 0xff800000]);
      return [entry.name, { dtype: 'F32', shape: [...entry.shape], data }];
    });
  return new Map(entries);
}

test('what is loaded is saved bit for bit, in the order of PyTorch', async () => {
  const [net, given] = [network(1), state()];
  await loadTorch(net, given, { nonFinite: true });
  const file = await saveTorch(net);
  const found = await decodeTorch(file, 'x.pth');
  expect([...found.keys()]).toEqual(NAMES);
  const bytes = ({ data }: StoredTensor) => [
    ...new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ];
  for (const [name, stored] of found) {
    const before = given.get(name) as StoredTensor;
    expect([stored.dtype, stored.shape, bytes(stored)]).toEqual([before.dtype, before.shape, bytes(before)]);
  }
  expect(file).toEqual(encodeTorch(given));
});

test('what is saved is loaded bit for bit, also from the older format', async () => {
  const [net, other] = [network(1), network(2)];
  expect(await allBits(other.namedState())).not.toEqual(await allBits(net.namedState()));
  await loadTorch(other, await saveTorch(net));
  expect(await allBits(other.namedState())).toEqual(await allBits(net.namedState()));
  const types: Record<string, string> = { F32: 'FloatStorage', I64: 'LongStorage' };
  const stored = [...(await torchStateDict(net))].map(([name, { dtype, shape, data }], i) => {
    const storage = { key: `${i}`, type: types[dtype] ?? '', size: data.length, data };
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    return { name, storage, tensor: tensor(storage, shape, strides, { legacy: true }) };
  });
  const object = dict(...stored.map((one): [number[], number[]] => [str(one.name), one.tensor]));
  const third = network(3);
  await loadTorch(
    third,
    legacyFile(
      object,
      stored.map(({ storage }) => storage),
    ),
  );
  expect(await allBits(third.namedState())).toEqual(await allBits(net.namedState()));
});

test('own tensors come before children and lists of tensors, and buffers after parameters', () => {
  class Mixed extends Module {
    readonly child = new Linear(new Initialiser(device, 1), { in: 1, out: 1, bias: false });
    readonly list = [device.tensor([1]), device.tensor([2])];
    readonly buffer = device.tensor([3]);
    readonly last = [new LayerNorm(new Initialiser(device, 1), 1)];
    readonly parameter = device.tensor([4]);

    protected override bufferNames(): readonly string[] {
      return ['buffer'];
    }
  }
  const names = new Mixed().torchState().map(({ name }) => name);
  const children = ['child.weight', 'list.0', 'list.1', 'last.0.weight', 'last.0.bias'];
  expect(names).toEqual(['parameter', 'buffer', ...children]);
});

test('num_batches_tracked is written where it was read, and as 0 for a new network', async () => {
  const norm = new BatchNorm(new Initialiser(device, 1), 2);
  expect((await torchStateDict(norm)).get('num_batches_tracked')?.data).toEqual(BigInt64Array.of(0n));
  const given = await torchStateDict(norm);
  given.delete('num_batches_tracked');
  await loadTorch(norm, given);
  expect([...(await decodeTorch(await saveTorch(norm), 'x')).keys()]).toEqual([...given.keys()]);
});

test('what PyTorch has no storage for is refused', () => {
  const data = Uint32Array.of(1);
  expect(() => encodeTorch([['a', { dtype: 'U32', shape: [1], data }]])).toThrow(ShapeError);
  const wrong: StoredTensor = { dtype: 'F32', shape: [2], data: new Float32Array(1) };
  expect(() => encodeTorch([['a', wrong]])).toThrow('"a" has 1 elements');
  const one: [string, StoredTensor] = ['a', { dtype: 'F32', shape: [1], data: new Float32Array(1) }];
  expect(() => encodeTorch([one, one])).toThrow('two arrays have the same name');
});
