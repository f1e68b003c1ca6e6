import { availableParallelism } from 'node:os';
import { globals } from 'webgpu';
import { type AdapterChoice, type AdapterKind, openGpu } from '../../src/node/gpu.ts';

/** A browser's `navigator.gpu` in Node, and the device a library asked of it. */
export interface InstalledGpu {
  readonly kind: AdapterKind;
  readonly description: string;
  /** The device opened last; throws before there is one. */
  device(): GPUDevice;
  /** Throws what the GPU has reported since the last call: a library may not look, and be fast at nothing. */
  check(): void;
}

// Dawn crashes when an adapter is collected while a device of it is in use.
const keptAlive: unknown[] = [];

/**
 * Makes WebGPU look as in a browser, for libraries that are written for one: must run before they are imported.
 * Every adapter they can get is of the kind `choice` opens.
 */
export async function installGpu(choice: AdapterChoice): Promise<InstalledGpu> {
  const { gpu, kind, description } = await openGpu({ adapter: choice });
  Object.assign(globalThis, globals);
  copySharedWrites();
  let opened: GPUDevice | undefined;
  const errors: string[] = [];
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = await gpu.requestAdapter(options);
    if (adapter)
      watchDevices(adapter, (device) => {
        opened = device;
        device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
      });
    keptAlive.push(adapter);
    return adapter;
  };
  const navigatorGpu = { requestAdapter, wgslLanguageFeatures: gpu.wgslLanguageFeatures };
  // Node 20 has no navigator.
  const navigator = { userAgent: 'Node.js', hardwareConcurrency: availableParallelism(), gpu: navigatorGpu };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  const device = () => {
    if (!opened) throw new Error('the library has opened no WebGPU device');
    return opened;
  };
  const check = () => {
    const [first] = errors.splice(0);
    if (first !== undefined) throw new Error(`WebGPU: ${first}`);
  };
  return { kind, description, device, check };
}

/** Reports the devices made from `adapter`, and mends feature lists that browsers take and Dawn for Node does not. */
function watchDevices(adapter: GPUAdapter, report: (device: GPUDevice) => void): void {
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor = {}) => {
    // TensorFlow.js nests a list in the list, which a browser turns into a string.
    const requiredFeatures = [...(descriptor.requiredFeatures ?? [])].flat() as GPUFeatureName[];
    const device = await request({ ...descriptor, requiredFeatures });
    report(device);
    return device;
  };
}

type WriteBuffer = GPUQueue['writeBuffer'];

/** ONNX Runtime Web writes from shared memory, which a browser takes and Dawn for Node refuses. */
function copySharedWrites(): void {
  const queue = globalThis.GPUQueue.prototype;
  const write = queue.writeBuffer;
  const patched = function (
    this: GPUQueue,
    ...[buffer, to, data, from, size]: Parameters<WriteBuffer>
  ): undefined {
    const memory = ArrayBuffer.isView(data) ? data.buffer : data;
    if (memory instanceof ArrayBuffer) return write.call(this, buffer, to, data, from, size);
    const view = data instanceof Uint8Array ? data : new Uint8Array(memory);
    const end = size === undefined ? undefined : (from ?? 0) + size;
    return write.call(this, buffer, to, view.slice(from ?? 0, end));
  };
  queue.writeBuffer = patched as WriteBuffer;
}
