import { afterAll, beforeAll } from 'vitest';
import { zeros } from '../../src/kernels/fill.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

/** A device for all tests of a file, and tensors of zeros on it: what tests of shape rules need. */
export function fileDevice() {
  const opened: { device?: Device } = {};
  beforeAll(async () => {
    opened.device = await openTestDevice();
  });
  afterAll(() => opened.device?.dispose());
  const device = () => opened.device as Device;
  return { device, zeros: (...shape: number[]) => zeros(device(), shape) };
}
