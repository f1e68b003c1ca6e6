// Results of an earlier `--json` that ops are compared with.
import { type BenchCase, gradientOf } from './case.ts';
import { UserError } from './exit.ts';
import { readJson } from './files.ts';
import { timeOf } from './measure.ts';
import type { Line } from './ops.ts';
import type { ResultFile } from './report.ts';

/** Reads what `--json` of the ops has written. Throws `UserError` where the file is something else. */
export function readResults(file: string): ResultFile {
  const found = readJson(file) as ResultFile | null;
  if (typeof found?.adapter === 'string' && Array.isArray(found.cases) && found.cases.every(isLine))
    return found;
  throw new UserError(`${file} holds no results of 'npm run bench -- [op…] --json'`);
}

function isLine(value: Line | null): boolean {
  if (typeof value?.name !== 'string' || typeof value.picked !== 'boolean') return false;
  const times = [value.wall, value.gpu ?? value.wall];
  return times.every((time) => typeof time?.median === 'number');
}

/** Throws `UserError` where none of the cases, nor of their gradients if those are measured, is in the file. */
export function checkCommon(file: string, earlier: ResultFile, cases: readonly BenchCase[], grad: boolean) {
  const names = new Set(earlier.cases.map(({ name }) => name));
  if (cases.some((test) => names.has(test.name) || (grad && names.has(gradientOf(test).name)))) return;
  throw new UserError(`no workload in common with ${file}`);
}

/** How many times as fast as then; undefined for what was not measured then, and for what took no time. */
export function ratioOf(line: Line, earlier: ResultFile): number | undefined {
  const same = ({ name, variant, picked }: Line) =>
    name === line.name && (variant === line.variant || (picked && line.picked));
  const before = earlier.cases.find(same);
  const timed = before?.gpu !== undefined && line.gpu !== undefined;
  const time = (of: Line) => (timed ? timeOf(of) : of.wall).median;
  const [then, now] = [before ? time(before) : 0, time(line)];
  return then > 0 && now > 0 ? then / now : undefined;
}

/** A remark where the adapters differ. */
export function formatAdapters(adapter: string, earlier: ResultFile | undefined): string {
  return earlier === undefined || earlier.adapter === adapter
    ? ''
    : `two adapters are compared: this is ${adapter}; earlier was ${earlier.adapter}\n`;
}
