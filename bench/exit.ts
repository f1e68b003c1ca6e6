import { KernelwrightError } from '../src/errors.ts';

/** Runs a command and ends the process: Dawn keeps it alive otherwise. Mistakes of the user are one line, code 2. */
export async function exitWith(command: () => Promise<unknown>): Promise<never> {
  try {
    await command();
    process.exit(0);
  } catch (error) {
    const expected = error instanceof RangeError || error instanceof KernelwrightError;
    process.stderr.write(expected ? `error: ${error.message}\n` : `${inspect(error)}\n`);
    process.exit(expected ? 2 : 1);
  }
}

function inspect(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
