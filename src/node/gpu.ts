import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { DeviceError } from '../errors.ts';
import { relaxPolling } from './polling.ts';
import { hasSwiftShaderBuild, loadVulkanLoader, swiftShaderDriver } from './swiftshader.ts';

const OP = 'openGpu';
const CHOICES = ['auto', 'gpu', 'lavapipe', 'swiftshader'] as const;
const DRIVER_FOLDERS = ['/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d'];
// Rounding of timestamps protects users of web pages; here it would only blur measurements.
const DAWN_FLAGS = ['disable-dawn-features=timestamp_quantization'];
const REMEDY: Record<AdapterChoice, string> = {
  auto: 'install a GPU driver with Vulkan, or SwiftShader (npm i @sparticuz/chromium)',
  gpu: "install the GPU's Vulkan driver, or ask for adapter 'auto'",
  lavapipe: 'install Mesa 24 or newer (mesa-vulkan-drivers)',
  swiftshader: 'install it (npm i @sparticuz/chromium; Linux x64 only)',
};

/** What computes: a real GPU, or one of two Vulkan drivers that run on the CPU. */
export type AdapterKind = 'gpu' | 'lavapipe' | 'swiftshader';

/** An `AdapterKind`, or `'auto'`: the first of them that this machine has. */
export type AdapterChoice = (typeof CHOICES)[number];

/** An open WebGPU implementation and the adapter chosen in it. */
export interface OpenedGpu {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly kind: AdapterKind;
  /** The adapter's name, for people. */
  readonly description: string;
}

type Create = typeof import('webgpu')['create'];

// Dawn crashes when one of its instances is collected while a device of it is in use.
const keptAlive: unknown[] = [];

/**
 * Opens WebGPU in Node, without a GPU, root or environment variables if need be.
 * `'auto'` takes a real GPU, else lavapipe, else SwiftShader; another choice takes that or nothing.
 * Vulkan drivers named by the user in VK_DRIVER_FILES (or VK_ICD_FILENAMES) are the only ones `'auto'` looks at.
 * In a worker thread only the system's own drivers can be opened, since no driver can be named there.
 * With a software adapter Dawn is made to pause while it waits, by way of the global `setImmediate`: a poll a millisecond.
 * Dawn writes warnings about drivers that do not fit to stderr; they are harmless.
 * Throws `DeviceError` for an unknown choice, where the package `webgpu` is missing, and where there is no such adapter.
 */
export async function openGpu({ adapter = 'auto' }: { adapter?: AdapterChoice } = {}): Promise<OpenedGpu> {
  if (!CHOICES.includes(adapter)) {
    throw new DeviceError(OP, `unknown adapter '${adapter}', expected one of ${CHOICES.join(', ')}`);
  }
  const create = await importDawn();
  await loadVulkanLoader();
  const tried: string[] = [];
  for await (const driver of drivers(adapter)) {
    const opened = await openWith(create, driver);
    if (opened && (adapter === 'auto' || adapter === opened.kind)) {
      if (opened.kind !== 'gpu') relaxPolling();
      return opened;
    }
    tried.push(`${driver ?? systemDrivers()}: ${opened ? opened.description : 'none'}`);
  }
  const found = tried.length > 0 ? tried.join('; ') : 'no driver';
  throw new DeviceError(OP, `no adapter '${adapter}' (found ${found}); ${remedy(adapter)}`);
}

/**
 * Opens Dawn's null backend: it compiles and validates shaders as any other, and computes nothing.
 * Throws `DeviceError` where the package `webgpu` is missing.
 */
export async function nullGpu(): Promise<GPU> {
  const create = await importDawn();
  const gpu = create(['backend=null']);
  keptAlive.push(gpu);
  return gpu;
}

function remedy(choice: AdapterChoice): string {
  // A worker's process.env is a copy: what is set there does not reach the Vulkan loader.
  if (!isMainThread && choice !== 'gpu')
    return 'open it in the main thread: a worker cannot choose a Vulkan driver';
  return REMEDY[choice];
}

async function importDawn(): Promise<Create> {
  try {
    return (await import('webgpu')).create;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const what = missing ? 'is not installed' : `does not load (${firstLine(cause)})`;
    throw new DeviceError(OP, `the package 'webgpu' ${what}: npm i webgpu`, { cause });
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0]!;
}

/** The driver manifests to try for a choice, in order; `undefined` stands for those the system or the user names. */
async function* drivers(choice: AdapterChoice): AsyncGenerator<string | undefined> {
  const named = userDrivers() !== undefined;
  if (choice === 'auto' || choice === 'gpu' || (choice === 'lavapipe' && named)) yield undefined;
  if (choice === 'lavapipe') yield* await lavapipeDrivers();
  if (choice === 'swiftshader' || (choice === 'auto' && !named)) {
    const driver = hasSwiftShaderBuild ? await swiftShaderDriver() : undefined;
    if (driver !== undefined) yield driver;
  }
}

function userDrivers(): string | undefined {
  return process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES || undefined;
}

function systemDrivers(): string {
  return userDrivers() ?? "the system's drivers";
}

async function lavapipeDrivers(): Promise<string[]> {
  const found = await Promise.all(DRIVER_FOLDERS.map(listDrivers));
  return found.flat().filter((file) => file.includes('lvp_icd'));
}

async function listDrivers(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.map((name) => join(folder, name));
}

async function openWith(create: Create, driver: string | undefined): Promise<OpenedGpu | undefined> {
  const { gpu, request } = withDrivers(driver, () => {
    const gpu = create(DAWN_FLAGS);
    return { gpu, request: gpu.requestAdapter({ powerPreference: 'high-performance' }) };
  });
  keptAlive.push(gpu);
  const adapter = await request;
  if (!adapter) return undefined;
  keptAlive.push(adapter);
  return { gpu, adapter, kind: kindOf(adapter.info), description: describe(adapter.info) };
}

/** Calls `open` with VK_DRIVER_FILES set for its duration: Dawn reads it before `requestAdapter` returns. */
function withDrivers<T>(driver: string | undefined, open: () => T): T {
  if (driver === undefined) return open();
  const before = process.env.VK_DRIVER_FILES;
  process.env.VK_DRIVER_FILES = driver;
  try {
    return open();
  } finally {
    if (before === undefined) delete process.env.VK_DRIVER_FILES;
    else process.env.VK_DRIVER_FILES = before;
  }
}

function kindOf(info: GPUAdapterInfo): AdapterKind {
  if (info.architecture === 'swiftshader') return 'swiftshader';
  return info.device.startsWith('llvmpipe') ? 'lavapipe' : 'gpu';
}

function describe({ device, description, vendor }: GPUAdapterInfo): string {
  const name = device.replace(/-+$/, '') || vendor; // Dawn leaves dashes where it cleaned the name
  return description ? `${name} (${description})` : name;
}
