import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { Device } from '../../src/tensor/device.ts';
import { isFloat } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { OpCase } from '../ops/case.ts';
import { inputsOf, upload } from '../ops/check-case.ts';
import { halfCases } from '../ops/half.ts';
import { families } from '../ops/index.ts';

let device: Device; // within WebGPU's default limits; it compiles and computes nothing
beforeAll(async () => {
  const adapter = (await (await nullGpu()).requestAdapter()) as GPUAdapter;
  const wanted = (['subgroups', 'shader-f16'] as const).filter((feature) => adapter.features.has(feature));
  const gpu = await adapter.requestDevice({ requiredFeatures: wanted });
  device = new Device(gpu, true, false, adapter);
});
afterAll(() => device.dispose());

/** Launches the op and the gradients of what it gives. */
function launch(opCase: OpCase): void {
  device.scope(() => {
    const inputs = upload(device, opCase, inputsOf(opCase));
    const names =
      opCase.gradients ?? Object.keys(inputs).filter((name) => isFloat(inputs[name]?.dtype ?? 'i32'));
    const first = (): Tensor => {
      const outputs = opCase.op(inputs);
      return (Array.isArray(outputs) ? outputs[0] : outputs) as Tensor;
    };
    const { dtype } = first();
    if (names.length === 0 || !isFloat(dtype)) return;
    valueAndGrad(
      () => sum(first()),
      names.map((name) => inputs[name] as Tensor),
    );
  });
}

/** Every variant that the last launch could have taken. */
function launchVariants(opCase: OpCase): void {
  device.variants.offered.clear();
  launch(opCase);
  for (const [family, names] of [...device.variants.offered]) {
    for (const name of names) {
      device.variants.forced.set(family, name);
      launch(opCase);
    }
    device.variants.forced.delete(family);
  }
}

describe('every pipeline that a case of an op launches compiles, whatever its constants and lines', () => {
  const cases = Object.entries(families).map(
    ([family, all]) => [family, all.filter(({ large }) => !large)] as const,
  );

  test.each(cases)('%s', async (_, small) => {
    const before = device.pipelines.count;
    for (const opCase of small) launchVariants(opCase);
    await device.idle();
    expect(device.pipelines.count).toBeGreaterThan(before);
  });

  const halves = Object.entries(families)
    .map(([family, all]) => [family, halfCases(family, all)] as const)
    .filter(([, all]) => all.length > 0);

  test.each(halves)('%s with f16', async (family, all) => {
    expect(device.traits.f16).toBe(true);
    const before = device.pipelines.count;
    for (const opCase of all) launchVariants(opCase);
    await device.idle();
    // Resizing works on an f32 copy, so it has no pipelines of its own.
    expect(device.pipelines.count > before).toBe(family !== 'resize');
  });
});
