import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runLayers } from '../../src/nn/chain.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear, Relu } from '../../src/nn/layers.ts';
import { EVALUATION, Module } from '../../src/nn/module.ts';
import { MaxPool } from '../../src/nn/pooling.ts';
import { StructuredDropout } from '../../src/nn/structured-dropout.ts';
import type { Device } from '../../src/tensor/device.ts';
import { expectClose, numbers, values } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

test('nested lists run in order, and are numbered like nested Sequentials', async () => {
  const init = new Initialiser(device, 1);
  const linear = () => new Linear(init, { in: 2, out: 2 });
  class Nested extends Module {
    readonly conv1 = [[linear(), new Relu(), linear()], new Relu(), linear()];
  }
  const net = new Nested();
  const names = ['conv1.0.0', 'conv1.0.2', 'conv1.2'].flatMap((name) => [`${name}.weight`, `${name}.bias`]);
  expect([...net.namedParameters().keys()]).toEqual(names);
  const x = device.tensor(numbers(6, 1), [3, 2]);
  const [[first, , second], , third] = net.conv1 as [[Linear, Relu, Linear], Relu, Linear];
  const relu = new Relu();
  const expected = third.forward(relu.forward(second.forward(relu.forward(first.forward(x)))));
  await expectClose(runLayers(net.conv1, x, EVALUATION), await values(expected), 1e-7);
  expect(runLayers([], x, EVALUATION)).toBe(x);
});

describe('StructuredDropout', () => {
  const x = () => device.tensor(new Float32Array(4 * 6 * 8).fill(1), [4, 6, 8]);
  const mode = { training: true, seed: 3 };

  test.each([
    ['channel', 4 * 8, (n: number, _: number, c: number) => n * 8 + c],
    ['sample', 4, (n: number) => n],
  ] as const)('one draw for each %s: %i of them', async (part, draws, drawOf) => {
    const y = await values(new StructuredDropout(part, 0.5, 9).forward(x(), mode));
    const seen = new Map<number, Set<number>>();
    y.forEach((value, i) => {
      const key = drawOf(Math.floor(i / 48), Math.floor(i / 8) % 6, i % 8);
      seen.set(key, (seen.get(key) ?? new Set()).add(value));
    });
    expect(seen.size).toBe(draws);
    expect([...seen.values()].every((set) => set.size === 1)).toBe(true);
    expect([...new Set(y)].sort()).toEqual([0, 2]);
  });

  test('does nothing in evaluation', () => {
    const input = x();
    expect(new StructuredDropout('channel', 0.5, 1).forward(input, EVALUATION)).toBe(input);
  });
});

test('MaxPool pools one, two or three axes', async () => {
  const pool = new MaxPool({ size: 2, stride: 1 });
  await expectClose(pool.forward(device.tensor(Float32Array.of(1, 3, 2), [1, 3, 1])), [3, 3]);
  await expectClose(pool.forward(device.tensor(Float32Array.of(1, 3, 2, 0), [1, 2, 2, 1])), [3]);
  expect(pool.forward(device.tensor(numbers(27, 1), [1, 3, 3, 3, 1])).shape).toEqual([1, 2, 2, 2, 1]);
});
