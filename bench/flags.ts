// Options that several tools take, and how their values are read.
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';

const ADAPTERS = ['auto', 'gpu', 'lavapipe', 'swiftshader'];

export const adapterOption = () =>
  new Option('--adapter <name>', 'what to measure on').choices(ADAPTERS).default('auto');
export const jsonOption = () => new Option('--json <file>', 'write the results there').argParser(outputFile);
export const roundsOption = () =>
  new Option('--rounds <n>', 'rounds, of which the median is shown').argParser(countOf).default(5);
export const secondsOption = (seconds: number) =>
  new Option('--seconds <n>', 'about how long finding the roof may take')
    .argParser(secondsOf)
    .default(seconds);

export function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('needs a whole number from 1 up');
  return count;
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('needs a number above 0');
  return seconds;
}

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
