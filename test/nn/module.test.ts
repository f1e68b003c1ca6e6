import { afterAll, beforeAll, expect, test } from 'vitest';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv1d, Linear, Sequential } from '../../src/nn/layers.ts';
import { Module } from '../../src/nn/module.ts';
import { BatchNorm } from '../../src/nn/norms.ts';
import { Residual } from '../../src/nn/residual.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

class Net extends Module {
  readonly scale: Tensor;
  readonly seen: Tensor;
  readonly absent: Tensor | undefined = undefined;
  readonly widths = [1, 2];
  readonly note = 'not a tensor';
  readonly stem: Linear;
  readonly stages: readonly Module[];

  constructor(init: Initialiser) {
    super();
    this.scale = init.ones([3]);
    this.seen = init.zeros([1]);
    this.stem = new Linear(init, { in: 2, out: 3 });
    this.stages = [
      new Residual(new Sequential(new Conv1d(init, { in: 3, out: 3, kernel: [3] }), new BatchNorm(init, 3))),
      new Linear(init, { in: 3, out: 2, bias: false }),
    ];
  }

  protected override bufferNames(): readonly string[] {
    return ['seen'];
  }
}

function made(): Net {
  return new Net(new Initialiser(device, 1));
}

test('parameters are named by their path, arrays of modules included', () => {
  const net = made();
  expect([...net.namedParameters().keys()]).toEqual([
    'scale',
    'stem.weight',
    'stem.bias',
    'stages.0.main.layers.0.weight',
    'stages.0.main.layers.1.gamma',
    'stages.0.main.layers.1.beta',
    'stages.1.weight',
  ]);
  expect(net.namedParameters().get('stem.weight')).toBe(net.stem.weight);
  expect(net.parameters()).toEqual([...net.namedParameters().values()]);
  net.dispose();
});

test('buffers are those that bufferNames lists, of children too', () => {
  const net = made();
  const names = ['seen', 'stages.0.main.layers.1.mean', 'stages.0.main.layers.1.variance'];
  expect([...net.namedBuffers().keys()]).toEqual(names);
  expect([...net.namedState().keys()].sort()).toEqual([...net.namedParameters().keys(), ...names].sort());
  net.dispose();
});

test('parameterCount counts trained scalars only', () => {
  const net = made();
  expect(net.parameterCount()).toBe(3 + (2 * 3 + 3) + 3 * 3 * 3 + (3 + 3) + 3 * 2);
  net.dispose();
});

test('parameters outlive scopes, and dispose frees all of them', () => {
  const before = device.memory().live;
  const net = device.scope(() => made());
  expect([...net.namedState().values()].some(({ disposed }) => disposed)).toBe(false);
  expect(device.memory().live).toBeGreaterThan(before);
  net.dispose();
  expect(device.memory().live).toBe(before);
});
