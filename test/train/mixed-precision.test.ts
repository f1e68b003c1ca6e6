import { afterAll, beforeAll, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { DeviceError } from '../../src/errors.ts';
import { conv2d } from '../../src/kernels/conv.ts';
import { cast, greater } from '../../src/kernels/elementwise.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { globalAvgPool } from '../../src/kernels/pool.ts';
import { randomUniform } from '../../src/kernels/random.ts';
import { mean } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { LossScaler } from '../../src/nn/loss-scaler.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** Bright or dark? f32 weights; everything between them and the logits is f16. */
function training(initial: number) {
  const init = new Initialiser(device, 1);
  const weights = [init.kaimingNormal([3, 3, 1, 8], 9), init.xavierUniform([8, 2], 8, 2)] as const;
  const images = randomUniform(device, [64, 8, 8, 1], { seed: 2 });
  const labels = cast(greater(mean(images, { axes: [1, 2, 3] }), 0.5), 'i32');
  const scaler = new LossScaler(device, { initial, interval: 1000 });
  const adam = new AdamW(new Map(weights.map((weight, i) => [`${i}`, weight])), { skipNaN: true });
  const loss = (x: Tensor) => {
    const [filters, head] = weights.map((weight) => cast(weight, 'f16')) as [Tensor, Tensor];
    const features = globalAvgPool(conv2d(cast(x, 'f16'), filters, { padding: 1, activation: 'relu' }));
    const value = crossEntropy(matmul(features, head), labels);
    return { value, loss: scaler.scale(value) };
  };
  const step = capture((x: Tensor) => {
    const { value, grads } = valueAndGrad(() => loss(x), weights);
    adam.apply(scaler.unscale(grads));
    return { loss: value.value, grads };
  });
  const update = () => {
    adam.prepare(0.1);
    return step(images);
  };
  return { update, scaler, weights };
}

test('f16 activations and f32 weights learn with a scaled loss; an overflow is skipped and halves the scale', async () => {
  if (!device.traits.f16) {
    expect(() => training(2 ** 24).update()).toThrow(DeviceError);
    return;
  }
  const { update, scaler, weights } = training(2 ** 24);
  const before = await weights[1].read();
  const first = update();
  for (const grad of first.grads) expect(grad.dtype).toBe('f32');
  expect((await first.grads[1]?.read())?.some((value) => !Number.isFinite(value))).toBe(true);
  expect(await weights[1].read()).toEqual(before);
  expect(await scaler.value.item()).toBe(2 ** 23);
  const start = await first.loss.item();
  for (let i = 0; i < 300; i++) update();
  expect(await scaler.value.item()).toBeLessThan(2 ** 23);
  expect(await update().loss.item()).toBeLessThan(0.6 * start);
});
