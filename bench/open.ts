import { DeviceError } from '../src/errors.ts';
import { type AdapterChoice, type AdapterKind, openGpu } from '../src/node/gpu.ts';
import { type Device, openDevice } from '../src/tensor/device.ts';
import { UserError } from './exit.ts';

/** A device to measure, and the name its figures go under. */
export interface Bench {
  readonly device: Device;
  readonly kind: AdapterKind;
  readonly adapter: string;
}

/** Throws `UserError` where there is no such adapter. */
export async function openBench(choice: AdapterChoice = 'auto'): Promise<Bench> {
  const opened = await openGpu({ adapter: choice }).catch(absent);
  return { device: await openDevice(opened), kind: opened.kind, adapter: opened.description };
}

function absent(error: unknown): never {
  throw error instanceof DeviceError ? new UserError(error.message) : error;
}
