// The module that ops.test.ts opens in a browser: the op cases of test/ops on the page's own WebGPU.
import { type Device, openDevice } from '../../src/tensor/device.ts';
import { checkCase } from '../ops/check-case.ts';
import { families } from '../ops/index.ts';

/** What a family of cases came to. */
export interface FamilyReport {
  readonly checked: number;
  /** `case: what is wrong` */
  readonly failures: readonly string[];
}

let device: Device;

/** Opens the device all families share; says what it is. */
async function open(): Promise<string> {
  device = await openDevice({ poison: true });
  return device.traits.architecture;
}

/** With the kernels that are picked there. */
async function checkFamily(family: string): Promise<FamilyReport> {
  const cases = (families[family] ?? []).filter(({ large }) => !large);
  const failures: string[] = [];
  for (const opCase of cases) {
    const found = await checkCase(device, opCase, []).catch((error: unknown) => [String(error)]);
    failures.push(...found.map((failure) => `${opCase.name}: ${failure}`));
  }
  return { checked: cases.length, failures };
}

const api = { open, checkFamily };
export type PageApi = typeof api;
Object.assign(globalThis, api);
