import { expect } from 'vitest';
import { KernelwrightError } from '../src/errors.ts';

/** A function as plain JavaScript sees it. */
export type Plain = (...args: readonly unknown[]) => unknown;

/** What a call is given, and what the error says. */
export type Refusal = readonly [args: readonly unknown[], message: RegExp];

/** Calls `call` with wrong arguments, and expects an error of ours that says so, each time. */
export async function expectRefusals(call: unknown, refusals: readonly Refusal[]): Promise<void> {
  for (const [args, message] of refusals) {
    const error = await (async () => (call as Plain)(...args))().then(
      () => 'nothing was thrown',
      (cause: unknown) => cause,
    );
    // The message first: it says which of them it is.
    expect(String(error)).toMatch(message);
    expect(error).toBeInstanceOf(KernelwrightError);
  }
}
