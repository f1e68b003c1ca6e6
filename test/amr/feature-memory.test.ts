import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FeatureMemory } from '../../src/amr/feature-memory.ts';
import { checkGradients } from '../../src/autograd/check.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import { expectClose, numbers } from '../nn/tools.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

describe('ExFMem', () => {
  const shrunk = (value: number) => Math.sign(value) * Math.max(Math.abs(value) - 0.1, 0);

  test('over an orthonormal dictionary the code is the shrunken features', async () => {
    const unit = device.tensor(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), [3, 3]);
    const memory = await FeatureMemory.of(unit, { iterations: 20 });
    const f = numbers(6, 3);
    const expected = [...f].map((value) => 0.5 * value + 0.5 * shrunk(value));
    await expectClose(memory.forward(device.tensor(f, [2, 3])), expected, 1e-5);
    expect([[...memory.namedParameters()], [...memory.namedBuffers().keys()]]).toEqual([[], ['dictionary']]);
  });

  test('takes features whose channels cancel out', async () => {
    const memory = await FeatureMemory.of(device.tensor([1, -1, 2, -2], [2, 2]), { iterations: 50 });
    const seen = memory.forward(device.tensor([3, -3], [1, 2]));
    // Along the features nothing is lost but what sparsity takes; across them all is, but for the half that is kept.
    const [along, across] = [await seen.read(), await memory.forward(device.tensor([3, 3], [1, 2])).read()];
    expect(along[0]).toBeGreaterThan(2.9);
    expect(along[1]).toBeCloseTo(-(along[0] ?? 0), 4);
    expect([...across]).toEqual([expect.closeTo(1.5, 4), expect.closeTo(1.5, 4)]);
  });

  test('over any dictionary it is ISTA in float64, and differentiable', async () => {
    const [K, C] = [5, 3];
    const D = numbers(K * C, 4);
    const memory = await FeatureMemory.of(device.tensor(D, [K, C]), {
      sparsity: 0.05,
      blend: 1,
      iterations: 500,
    });
    const f = numbers(C, 5);
    let h = new Float64Array(K);
    const step = 0.05;
    const express = (code: Float64Array) =>
      Array.from({ length: C }, (_, c) =>
        code.reduce((total, value, k) => total + value * (D[k * C + c] ?? 0), 0),
      );
    for (let i = 0; i < 20_000; i++) {
      const error = express(h).map((value, c) => value - (f[c] ?? 0));
      h = h.map((value, k) => {
        const moved = value - step * error.reduce((total, e, c) => total + e * (D[k * C + c] ?? 0), 0);
        return Math.sign(moved) * Math.max(Math.abs(moved) - step * 0.05, 0);
      });
    }
    await expectClose(memory.forward(device.tensor(f, [1, C])), express(h), 1e-3);
    const x = device.tensor(f, [1, C]);
    const short = await FeatureMemory.of(device.tensor(D, [K, C]), { iterations: 5 });
    expect(await checkGradients(() => sum(short.forward(x)), [x])).toBeLessThan(2e-2);
  });
});
