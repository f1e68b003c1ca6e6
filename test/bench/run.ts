import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script of the project as a user would, on the adapter of the tests. */
export function runScript(script: string, ...args: readonly string[]): Promise<Finished> {
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [tsx, join(root, script), ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr });
    });
  });
}

/** `--adapter` as KERNELWRIGHT_TEST_ADAPTER says. */
export const adapterFlags = ['--adapter', process.env.KERNELWRIGHT_TEST_ADAPTER ?? 'auto'] as const;
