import { type AdapterChoice, type AdapterKind, openGpu } from '../src/node/gpu.ts';
import { type Device, openDevice } from '../src/tensor/device.ts';

/** A device to measure, and the name its figures go under. */
export interface Bench {
  readonly device: Device;
  readonly kind: AdapterKind;
  readonly adapter: string;
}

/** Throws `DeviceError` where there is no such adapter. */
export async function openBench(choice: AdapterChoice = 'auto'): Promise<Bench> {
  const opened = await openGpu({ adapter: choice });
  return { device: await openDevice(opened), kind: opened.kind, adapter: opened.description };
}
