import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The adapter that tests run on, as the command line calls it. */
export const ADAPTER = process.env.KERNELWRIGHT_TEST_ADAPTER ?? 'auto';

/** A fresh folder. */
export function temporary(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'main-job-'));
}

/** Runs the main job as `npm start` does. `watch` sees its messages and may signal it. */
export function start(
  args: readonly string[],
  watch?: (text: string, child: ChildProcess) => void,
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const command = ['--import', 'tsx', 'experiments/main.ts', ...args];
  const child = spawn(process.execPath, command, { env: { ...process.env, ...env } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
    watch?.(err, child);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}
