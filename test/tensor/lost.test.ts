// vitest fails the run on an unhandled rejection, so these tests also show that there is none.
import { expect, test } from 'vitest';
import { DeviceError } from '../../src/errors.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice, within } from '../open.ts';

const outcome = (work: Promise<unknown>) =>
  within(
    20,
    work.then(
      () => 'fulfilled',
      (error: unknown) => error,
    ),
  );

/** Every way to use a device that is gone. */
async function expectGone(device: Device, x: Tensor, message: RegExp): Promise<void> {
  const calls = [
    () => device.tensor([1]),
    () => device.write(x, Float32Array.of(1, 2)),
    () => add(x, 1),
    () => matmul(x, x),
    () => device.checkAlive(),
  ];
  for (const call of calls) {
    expect(call).toThrow(DeviceError);
    expect(call).toThrow(message);
  }
  for (const work of [x.read(), device.idle()]) {
    const error = await outcome(work);
    expect(error).toBeInstanceOf(DeviceError);
    expect(String(error)).toMatch(message);
  }
}

test('the device is lost behind its back: pending reads reject, later calls throw, nothing hangs', async () => {
  const device = await openTestDevice();
  const x = device.tensor([1, 2], [1, 2]);
  const pending = [x.read(), add(x, 1).read(), device.idle()];
  device.gpu.destroy();
  for (const work of pending) expect(await outcome(work)).toBeInstanceOf(DeviceError);
  await expectGone(device, x, /device: lost \(destroyed\)/);
  x.dispose();
  device.dispose();
});

test('ops issued before the loss is known reject at the next await', async () => {
  const device = await openTestDevice();
  const x = device.tensor([1, 2], [1, 2]);
  device.gpu.destroy();
  const y = add(x, 1);
  const read = y.read();
  expect(await outcome(read)).toBeInstanceOf(DeviceError);
  expect(await outcome(device.idle())).toBeInstanceOf(DeviceError);
  device.dispose();
});

test('a scope that waits on a lost device rejects and frees', async () => {
  const device = await openTestDevice();
  const work = device.scope(async () => {
    const x = device.tensor([1, 2]);
    await add(x, 1).read();
  });
  device.gpu.destroy();
  expect(await outcome(work)).toBeInstanceOf(DeviceError);
  expect(device.memory().live).toBe(0);
  device.dispose();
});

test('dispose: pending reads reject, later calls throw, twice is once', async () => {
  const device = await openTestDevice();
  const x = device.tensor([1, 2], [1, 2]);
  const pending = [x.read(), add(x, 1).read(), device.idle()];
  device.dispose();
  for (const work of pending) expect(await outcome(work)).toBeInstanceOf(DeviceError);
  await expectGone(device, x, /device: was disposed of; open a new device/);
  x.dispose();
  device.dispose();
});

test('another device is not touched by the loss of one', async () => {
  const [lost, other] = [await openTestDevice(), await openTestDevice()];
  lost.gpu.destroy();
  expect(await outcome(lost.tensor([1]).read())).toBeInstanceOf(DeviceError);
  expect(await add(other.tensor([1]), 1).item()).toBe(2);
  lost.dispose();
  other.dispose();
});
