import { readFileSync } from 'node:fs';
import { formatWithOptions } from 'node:util';
import { transform } from 'esbuild';
import * as kernelwright from '../../src/index.ts';
import type { Device } from '../../src/tensor/device.ts';

/** The `ts` blocks of a page, in order. */
export function examplesOf(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
}

/** What an example prints, and what the comments behind its calls of `console.log` say it does. */
export interface Printed {
  readonly printed: string[];
  readonly promised: string[];
}

/** Constructor of functions with `await` in them. */
const AsyncFunction = (async () => {}).constructor as new (
  ...parts: string[]
) => (...values: unknown[]) => Promise<void>;

/**
 * Runs an example as printed, in this process: `device` is an open device, and imports from `kernelwright` are the
 * library under test.
 */
export async function runExample(code: string, device: Device): Promise<Printed> {
  const imports = /^import \{([^}]*)\} from 'kernelwright';$/gm;
  const names = [...code.matchAll(imports)].flatMap(([, list]) =>
    (list ?? '').split(',').map((name) => name.trim()),
  );
  const library: Readonly<Record<string, unknown>> = { ...kernelwright };
  const missing = names.filter((name) => !(name in library));
  if (missing.length > 0) throw new Error(`kernelwright does not export ${missing.join(', ')}`);
  const { code: body } = await transform(code.replace(imports, ''), { loader: 'ts', format: 'esm' });
  const printed: string[] = [];
  const log = (...values: unknown[]) => printed.push(formatWithOptions({ breakLength: Infinity }, ...values));
  const run = new AsyncFunction('device', 'console', ...names, body);
  await run(device, { log }, ...names.map((name) => library[name]));
  await device.idle();
  const promised = [...code.matchAll(/console\.log\(.*\);\s*\/\/ (.*)$/gm)].map(([, text]) => text as string);
  return { printed, promised };
}
