import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '../errors.ts';
import type { Parity } from './measure.ts';

/**
 * Writes what was measured on an adapter, with what the file holds of attacks that were not run this time: the long ones can
 * be run one by one. Throws `UsageError` where that was measured on another adapter.
 */
export function writeParity(file: string, parity: Parity, adapter: string): void {
  const earlier = earlierParity(file, adapter);
  const robust = { ...earlier.robust, ...parity.robust };
  const options = { ...earlier.options, ...parity.options };
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify({ ...parity, robust, options, adapter }, undefined, 2)}\n`);
  renameSync(temporary, file);
}

/** What a file holds already. Throws `UsageError` where that was measured on another adapter. */
export function earlierParity(file: string, adapter: string): Partial<Parity> {
  if (!existsSync(file)) return {};
  const earlier = JSON.parse(readFileSync(file, 'utf8')) as Parity & { readonly adapter: string };
  if (earlier.adapter !== adapter)
    throw new UsageError(
      `${file} was measured on ${earlier.adapter}, not on ${adapter}; choose another file`,
    );
  return earlier;
}
