import { constants } from 'node:os';
import { join } from 'node:path';
import { cached, chromiumPackage, unpackArchive } from './unpack.ts';

const LOADER = 'libvulkan.so.1';
const RTLD_NODELETE = 0x1000; // glibc's value; Node does not name it
const DLOPEN_FLAGS = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE;

/** Whether SwiftShader can be had on this system: its build is for Linux on x64. */
export const hasSwiftShaderBuild = process.platform === 'linux' && process.arch === 'x64';

/**
 * Unpacks SwiftShader, a Vulkan driver that runs on the CPU, and returns its folder.
 * Returns `undefined` on other systems than Linux x64 and where `@sparticuz/chromium` is not installed.
 */
export async function swiftShaderFolder(): Promise<string | undefined> {
  const source = hasSwiftShaderBuild ? await chromiumPackage() : undefined;
  if (source === undefined) return undefined;
  return cached(`swiftshader-${source.version}`, (folder) =>
    unpackArchive(join(source.bin, 'swiftshader.tar.br'), folder),
  );
}

/** Returns the path of SwiftShader's driver manifest, for `VK_DRIVER_FILES`; `undefined` where there is none. */
export async function swiftShaderDriver(): Promise<string | undefined> {
  const folder = await swiftShaderFolder();
  return folder && join(folder, 'vk_swiftshader_icd.json');
}

/**
 * Brings a Vulkan loader into the process, where Dawn finds it by name: the system's, or else the one beside SwiftShader.
 * So neither an installed libvulkan nor LD_LIBRARY_PATH is needed. Does nothing where neither exists.
 */
export async function loadVulkanLoader(): Promise<void> {
  if (process.platform !== 'linux' || openLibrary(LOADER)) return;
  const folder = await swiftShaderFolder();
  if (folder !== undefined) openLibrary(join(folder, LOADER));
}

/** Opens a shared library that is no Node addon, and says whether it is in the process now. */
function openLibrary(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, DLOPEN_FLAGS);
    return true;
  } catch (error) {
    // Node complains that it is no addon, but RTLD_NODELETE has kept it in the process.
    return error instanceof Error && error.message.includes('self-register');
  }
}
