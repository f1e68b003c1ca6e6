// Options that several tools take, and how their values are read.
import { InvalidArgumentError, Option } from 'commander';
import { outputFile } from './files.ts';

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
