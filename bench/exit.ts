import { CommanderError } from 'commander';

/** What the user can mend: told in one line. Everything else is a fault of ours. */
export class UserError extends RangeError {}

/**
 * Runs a command and ends the process: Dawn keeps it alive otherwise. Mistakes of the user are one line and code 2, anything
 * else is code 1. A program of commander must `exitOverride`, or it takes its own codes.
 */
export async function exitWith(command: () => Promise<unknown>): Promise<never> {
  try {
    await command();
    process.exit();
  } catch (error) {
    process.exit(told(error));
  }
}

function told(error: unknown): number {
  // Commander has printed its message, or its help, already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const expected = error instanceof UserError;
  process.stderr.write(expected ? `error: ${error.message}\n` : `${inspect(error)}\n`);
  return expected ? 2 : 1;
}

function inspect(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
