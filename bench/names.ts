// What people name on the command line.
import { UserError } from './exit.ts';

/** What `table` has under a name. Throws `UserError` for a name that is none. */
export function named<T>(table: Readonly<Record<string, T>>, name: string, what: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found !== undefined) return found;
  throw new UserError(`'${name}' is no ${what}; there are ${Object.keys(table).join(', ')}`);
}

/** The names in `table` that are asked for, each once; `usual` when none is. Throws `UserError` for one that is not there. */
export function chosen(
  table: Readonly<Record<string, unknown>>,
  names: readonly string[],
  what: string,
  usual: readonly string[] = Object.keys(table),
): string[] {
  for (const name of names) named(table, name, what);
  return [...new Set(names.length > 0 ? names : usual)];
}

const COMMANDS = ['roofline', 'models', 'attacks', 'scaling'];
/** So many letters may differ. */
const NEAR = 2;

/** The command of `npm run bench` that a word is a slip of, if any. */
export function nearCommand(word: string): string | undefined {
  return COMMANDS.find((command) => distance(word.toLowerCase(), command) <= NEAR);
}

/** How many letters must be put in, left out or changed (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (letter === b[j] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
