import { type AdapterKind, type OpenedGpu, openGpu } from '../src/node/gpu.ts';
import { type Device, openDevice } from '../src/tensor/device.ts';

/** The adapter tests run on: KERNELWRIGHT_TEST_ADAPTER, or the best there is. Fails where there is none. */
export function openTestGpu(): Promise<OpenedGpu> {
  const name = process.env.KERNELWRIGHT_TEST_ADAPTER as AdapterKind | undefined;
  return openGpu({ adapter: name ?? 'auto' });
}

/** The device tests run on, with poisoned memory where asked for. */
export async function openTestDevice(options: { poison?: boolean } = {}): Promise<Device> {
  return openDevice({ ...(await openTestGpu()), poison: options.poison ?? false });
}

/** Fails instead of hanging: `work`, or an error after `seconds`. */
export async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still pending after ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
