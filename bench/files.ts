// Files that people name: where results go, and where earlier ones are.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { UserError } from './exit.ts';

/** A file that can be written: a measurement would be lost if that came out at its end. */
export function outputFile(text: string): string {
  const folder = dirname(text);
  if (text === '') throw new InvalidArgumentError('needs the name of a file');
  if (isFolder(text)) throw new InvalidArgumentError('needs a file; that is a folder');
  if (!isFolder(folder)) throw new InvalidArgumentError(`there is no folder ${folder}`);
  try {
    accessSync(existsSync(text) ? text : folder, constants.W_OK);
  } catch {
    throw new InvalidArgumentError('may not be written by this user');
  }
  return text;
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

/** Throws `UserError` where a file cannot be read or is no JSON. */
export function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${file} is no JSON`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`${file} cannot be read: ${(cause as Error).message}`);
  }
}
