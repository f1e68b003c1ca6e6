import { CommanderError } from 'commander';
import { KernelwrightError } from '../src/errors.ts';

/** The command line asks for something that cannot be. */
export class UsageError extends Error {}

/** Ctrl-C, or another request to stop. */
export class Interrupted extends Error {}

/** System errors that are the machine's or the user's doing, and what to do about them. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space and go on with --resume',
  EACCES: 'no permission to write there; choose another folder with --out',
  EPERM: 'no permission to write there; choose another folder with --out',
  EROFS: 'that file system is read-only; choose another folder with --out',
  EDQUOT: 'the disk quota is used up; free some space and go on with --resume',
  EEXIST: 'a file is in the way; choose another folder with --out',
  ENOTDIR: 'a part of that path is a file; choose another folder with --out',
};

/** One line for the user, or undefined for an error that is a bug of ours and deserves its stack trace. */
export function explain(error: unknown): string | undefined {
  if (error instanceof CommanderError) return oneLine(error.message.replace(/^error: /, ''));
  if (error instanceof UsageError || error instanceof KernelwrightError) return oneLine(error.message);
  const { code, path, syscall, message } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return undefined;
  return `${path ?? syscall}: ${SYSTEM[code] ?? oneLine(message)}`;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
