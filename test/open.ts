import { openGpu } from '../src/node/gpu.ts';
import { type Device, openDevice } from '../src/tensor/device.ts';

/** The device tests run on: the best software adapter there is, with poisoned memory. Fails where there is none. */
export async function openTestDevice(options: { poison?: boolean } = {}): Promise<Device> {
  const name = process.env.KERNELWRIGHT_TEST_ADAPTER as 'lavapipe' | 'swiftshader' | undefined;
  return openDevice({ ...(await openGpu({ adapter: name ?? 'auto' })), poison: options.poison ?? false });
}
