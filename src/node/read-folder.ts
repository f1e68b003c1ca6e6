import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionDataset } from '../data/dataset.ts';
import { gunzip } from '../data/gunzip.ts';
import { parseDataset, type ReadOptions } from '../data/read-dataset.ts';
import { FormatError } from '../errors.ts';

const OP = 'readDatasetFolder';

/**
 * Reads the data set in a folder: `dataset.json` and `dataset.safetensors.gz` or `dataset.safetensors`.
 * Throws `FormatError`, in one line, for a missing folder or file and for everything `parseDataset` rejects.
 */
export async function readDatasetFolder(path: string, options: ReadOptions): Promise<ActionDataset> {
  const folder = await stat(path).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new FormatError(OP, `${path} is not a folder; give one that holds a data set`);
  const json = await readIfThere(join(path, 'dataset.json'));
  if (!json) throw missing(path, 'dataset.json');
  const packed = await readIfThere(join(path, 'dataset.safetensors.gz'));
  const plain = packed
    ? await gunzip(packed, join(path, 'dataset.safetensors.gz'))
    : await readIfThere(join(path, 'dataset.safetensors'));
  if (!plain) throw missing(path, 'dataset.safetensors.gz (or dataset.safetensors)');
  return parseDataset(new TextDecoder().decode(json), plain, options);
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FormatError(OP, `cannot read ${path} (${code}); check its permissions`, {
      cause,
    });
  }
}

function missing(path: string, file: string): FormatError {
  return new FormatError('readDatasetFolder', `${path} holds no ${file}; give a folder that holds it`);
}
