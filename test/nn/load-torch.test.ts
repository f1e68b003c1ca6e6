import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FormatError, StateError } from '../../src/errors.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import {
  Conv1d,
  Conv2d,
  Conv3d,
  GraphConv,
  Linear,
  MultiHeadAttention,
  Relu,
  Sequential,
} from '../../src/nn/layers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import { EVALUATION, type Module } from '../../src/nn/module.ts';
import { BatchNorm, LayerNorm } from '../../src/nn/norms.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';
import { allBits, expectClose, numbers, values } from './tools.ts';

let device: Device;
let init: Initialiser;
beforeAll(async () => {
  device = await openTestDevice();
  init = new Initialiser(device, 1);
});
afterAll(() => device.dispose());

/** A PyTorch tensor of random numbers. */
function random(shape: number[], seed: number): StoredTensor {
  return {
    dtype: 'F32',
    shape,
    data: numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  };
}

/** The element of a PyTorch tensor at an index. */
function at({ shape, data }: StoredTensor, ...index: number[]): number {
  return Number(data[index.reduce((sum, i, axis) => sum * (shape[axis] ?? 0) + i, 0)]);
}

describe('layouts', () => {
  test('Linear: [out, in]', async () => {
    const layer = new Linear(init, { in: 3, out: 2 });
    const [weight, bias] = [random([2, 3], 1), random([2], 2)];
    await loadTorch(
      layer,
      new Map([
        ['weight', weight],
        ['bias', bias],
      ]),
    );
    const x = [0.5, -2, 1];
    const expected = [0, 1].map((o) => x.reduce((sum, v, i) => sum + v * at(weight, o, i), at(bias, o)));
    await expectClose(layer.forward(device.tensor(x, [1, 3])), expected, 1e-6);
  });

  test.each([
    ['Conv1d', [3], 1],
    ['Conv2d', [3, 2], 1],
    ['Conv2d with groups', [3, 1], 2],
    ['Conv3d', [2, 3, 1], 1],
  ] as const)(
    '%s: [out, in / groups, K…], where ours is [K…, in / groups, out]',
    async (_, kernel, groups) => {
      const Conv = [Conv1d, Conv2d, Conv3d][kernel.length - 1] as typeof Conv2d;
      const layer = new Conv(init, { in: 4, out: 6, kernel, groups, bias: true });
      const [weight, bias] = [random([6, 4 / groups, ...kernel], 3), random([6], 4)];
      await loadTorch(layer, new Map(Object.entries({ weight, bias })));
      const indices = kernel.reduce<number[][]>(
        (all, k) => all.flatMap((begin) => Array.from({ length: k }, (__, i) => [...begin, i])),
        [[]],
      );
      const expected = indices.flatMap((k) =>
        Array.from({ length: (4 / groups) * 6 }, (__, i) => at(weight, i % 6, Math.floor(i / 6), ...k)),
      );
      expect(await values(layer.weight)).toEqual(expected);
      expect(await values(layer.bias!)).toEqual([...(bias.data as Float32Array)]);
    },
  );

  test('BatchNorm and LayerNorm: weight, bias and running averages', async () => {
    const norm = new BatchNorm(init, 2);
    const one = (...data: number[]): StoredTensor => ({
      dtype: 'F32',
      shape: [2],
      data: Float32Array.from(data),
    });
    const count: StoredTensor = { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) };
    const affine = [
      ['weight', one(2, 3)],
      ['bias', one(-1, 1)],
    ] as const;
    const averages = [
      ['running_mean', one(1, 0)],
      ['running_var', one(4, 9)],
    ] as const;
    await loadTorch(norm, new Map([...affine, ...averages, ['num_batches_tracked', count]]));
    await expectClose(norm.forward(device.tensor([3, 6], [1, 2]), EVALUATION), [1, 7], 1e-4);
    expect(norm.batchesTracked.value).toBe(7n);
    const layer = new LayerNorm(init, 2);
    await loadTorch(layer, new Map(affine));
    await expectClose(layer.forward(device.tensor([5, 3], [1, 2])), [1, -2], 1e-4);
  });

  test('BatchNorm does without num_batches_tracked, as files of PyTorch 0.3 do', async () => {
    const norm = new BatchNorm(init, 1);
    const names = ['weight', 'bias', 'running_mean', 'running_var'];
    const difference = await loadTorch(norm, new Map(names.map((name, i) => [name, random([1], i)])));
    expect(difference).toEqual({ missing: [], unexpected: [], misshapen: [] });
    expect(norm.batchesTracked.value).toBeUndefined();
  });

  test('MultiHeadAttention: query, key and value are rows of in_proj', async () => {
    const attention = new MultiHeadAttention(init, { width: 4, heads: 2 });
    const [weight, bias] = [random([12, 4], 6), random([12], 7)];
    const state = new Map([
      ['in_proj_weight', weight],
      ['in_proj_bias', bias],
    ]);
    await loadTorch(
      attention,
      state.set('out_proj.weight', random([4, 4], 8)).set('out_proj.bias', random([4], 9)),
    );
    const x = [1, -0.5, 0.25, 2];
    const project = (first: number) =>
      Array.from({ length: 4 }, (_, o) =>
        x.reduce((sum, v, i) => sum + v * at(weight, first + o, i), at(bias, first + o)),
      );
    const input = device.tensor(x, [1, 4]);
    await expectClose(attention.query.forward(input), project(0), 1e-5);
    await expectClose(attention.key.forward(input), project(4), 1e-5);
    await expectClose(attention.value.forward(input), project(8), 1e-5);
  });

  test('GraphConv: the weights of all partitions are one 1×1 convolution', async () => {
    const adjacency = Float32Array.of(1, 0, 0, 1, 0, 1, 1, 0);
    const layer = new GraphConv(init, { in: 3, out: 2, adjacency, joints: 2 });
    const weight = random([4, 3, 1, 1], 10);
    const one = (shape: number[]): StoredTensor => ({
      dtype: 'F32',
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1),
    });
    const rest = [
      ['bias', one([2])],
      ['mask', one([2, 2, 2])],
      ['adjacency', one([2, 2, 2])],
    ] as const;
    await loadTorch(layer, new Map([['conv.weight', weight], ...rest]));
    const expected = [0, 1].flatMap((p) =>
      [0, 1, 2].flatMap((i) => [0, 1].map((o) => at(weight, 2 * p + o, i, 0, 0))),
    );
    expect(await values(layer.weight)).toEqual(expected);
  });
});

/** A small network and a state_dict that fits it. */
function network(): { net: Sequential; state: Map<string, StoredTensor> } {
  const net = new Sequential(
    new Sequential(new Conv1d(init, { in: 2, out: 4, kernel: [3] }), new BatchNorm(init, 4)),
    new Relu(),
    new Linear(init, { in: 4, out: 3 }),
  );
  const state = new Map([
    ['0.0.weight', random([4, 2, 3], 1)],
    ...['weight', 'bias', 'running_mean', 'running_var'].map(
      (name, i) => [`0.1.${name}`, random([4], i)] as const,
    ),
    ['2.weight', random([3, 4], 5)],
    ['2.bias', random([3], 6)],
  ]);
  return { net, state };
}

async function refused(model: Module, load: () => Promise<unknown>): Promise<FormatError> {
  const before = await allBits(model.namedState());
  const error = await load().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FormatError);
  expect(await allBits(model.namedState())).toEqual(before);
  return error as FormatError;
}

describe('names', () => {
  test.each(['module.', '_orig_mod.', '_orig_mod.module.'])(
    '%s before every name is dropped',
    async (prefix) => {
      const { net, state } = network();
      await loadTorch(net, new Map([...state].map(([name, tensor]) => [prefix + name, tensor])));
      const plain = network();
      await loadTorch(plain.net, state);
      expect(await allBits(net.namedState())).toEqual(await allBits(plain.net.namedState()));
    },
  );

  test('a prefix of only some names is part of them', async () => {
    const { net, state } = network();
    const mixed = new Map([...state, ['module.x', random([1], 1)] as const]);
    const error = (await refused(net, () => loadTorch(net, mixed))) as StateError;
    expect(error.unexpected).toEqual(['module.x']);
  });

  test('what is neither bytes nor arrays is named', async () => {
    const layer = new Linear(init, { in: 3, out: 2 });
    const load = (file: unknown) => loadTorch(layer, file as Uint8Array);
    await expect(load('weights.pth')).rejects.toThrow(
      'loadTorch: needs the bytes of a file (Uint8Array) or a Map of its arrays; got the text "weights.pth"; read the file first',
    );
    await expect(load(new ArrayBuffer(8))).rejects.toThrow('got ArrayBuffer');
    await expect(load('weights.pth')).rejects.toThrow(FormatError);
  });

  test('a whole file is read, whatever its format', async () => {
    const { net, state } = network();
    await loadTorch(net, encodeSafetensors(state), { what: 'x.safetensors' });
    const error = await refused(net, () => loadTorch(net, new Uint8Array(20), { what: 'x.safetensors' }));
    expect(error.message).toContain('x.safetensors');
  });
});

describe('a state_dict of another network', () => {
  const different = () => {
    const { net, state } = network();
    state.delete('0.0.weight');
    state.delete('2.bias');
    state.set('fc.weight', random([1], 1)).set('2.weight', random([4, 3], 2));
    state.set('0.1.bias', { dtype: 'I32', shape: [4], data: Int32Array.of(1, 2, 3, 4) });
    return { net, state };
  };
  const difference = {
    missing: ['0.0.weight', '2.bias'],
    unexpected: ['fc.weight'],
    misshapen: [
      { name: '0.1.bias', found: 'I32 [4]', expected: 'f32 [4]' },
      { name: '2.weight', found: 'F32 [4, 3]', expected: 'f32 [3, 4]' },
    ],
  };

  test('is one error that lists all differences, and changes nothing', async () => {
    const { net, state } = different();
    const error = (await refused(net, () => loadTorch(net, state, { what: 'a.pth' }))) as StateError;
    expect(error).toBeInstanceOf(StateError);
    expect({ missing: error.missing, unexpected: error.unexpected, misshapen: error.misshapen }).toEqual(
      difference,
    );
    expect(error.message).toBe(
      'loadTorch: a.pth is a checkpoint of another network: lacks 0.0.weight, 2.bias; has unexpected fc.weight; ' +
        '0.1.bias is I32 [4], expected f32 [4], 2.weight is F32 [4, 3], expected f32 [3, 4]; load it into the network that it was saved from, or keep what fits with strict: false',
    );
  });

  test('is loaded as far as it fits when not strict, and the differences are returned', async () => {
    const { net, state } = different();
    const before = await allBits(net.namedState());
    expect(await loadTorch(net, state, { strict: false })).toEqual(difference);
    const after = await allBits(net.namedState());
    const changed = Object.keys(after).filter((name) => `${after[name]}` !== `${before[name]}`);
    expect(changed).toEqual([
      'layers.0.layers.1.gamma',
      'layers.0.layers.1.mean',
      'layers.0.layers.1.variance',
    ]);
  });
});

describe('numbers', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%f is refused unless asked for', async (value) => {
    const { net, state } = network();
    (state.get('2.bias') as StoredTensor).data[1] = value;
    const error = await refused(net, () => loadTorch(net, state));
    expect(error.message).toContain(`"2.bias": element 1 is ${value}`);
    await loadTorch(net, state, { nonFinite: true });
    expect((await values((net.layers[2] as Linear).bias!))[1]).toBe(value);
  });

  test('f64, f16 and bf16 become f32; what f32 cannot hold is refused', async () => {
    const layer = new Linear(init, { in: 1, out: 2 });
    const weight: StoredTensor = { dtype: 'F16', shape: [2, 1], data: Uint16Array.of(0x3c00, 0xc100) };
    const load = (dtype: 'BF16' | 'F64', data: Uint16Array | Float64Array) => {
      const bias = { dtype, shape: [2], data } as StoredTensor;
      return loadTorch(layer, new Map(Object.entries({ weight, bias })));
    };
    await load('BF16', Uint16Array.of(0x3f80, 0xc020));
    await expectClose(layer.weight, [1, -2.5], 1e-9);
    await expectClose(layer.bias!, [1, -2.5], 1e-9);
    await load('F64', Float64Array.of(0.1, -3));
    expect(await values(layer.bias!)).toEqual([Math.fround(0.1), -3]);
    const error = await refused(layer, () => load('F64', Float64Array.of(0, 1e39)));
    expect(error.message).toContain('"bias": element 1 is 1e+39, which f32 cannot hold');
  });
});
