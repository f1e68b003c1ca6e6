// The module that browser.test.ts opens in a browser.
import { doubleOn } from './double.ts';

async function report() {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const { vendor, architecture } = adapter.info;
  return { vendor, architecture, doubled: await doubleOn(adapter, [1, -2.5, 3, 0, 7]) };
}

const api = { report };
export type PageApi = typeof api;
Object.assign(globalThis, api);
