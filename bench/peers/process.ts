import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { UserError } from '../exit.ts';
import type { LibraryName, Reply, Request } from './protocol.ts';

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const MOST_MS = 15 * 60_000;
const KEPT_CHARACTERS = 2000;

/** A library in a process of its own, which stands still unless it is asked something. */
export class LibraryProcess {
  /** The adapter its device is on. */
  description = '';
  kind = '';
  readonly name: LibraryName;
  readonly #child: ChildProcess;
  #errors = '';

  /** Resolves once the library has opened its device and come to rest. Throws `UserError` where there is no such adapter. */
  static async start(name: LibraryName, adapter: string): Promise<LibraryProcess> {
    const started = new LibraryProcess(name, adapter);
    const reply = await started.#answer();
    if (reply.told === 'lacks') throw new UserError(reply.why);
    if (reply.told !== 'ready') throw new Error(`${name} did not start: ${JSON.stringify(reply)}`);
    started.description = reply.description;
    started.kind = reply.kind;
    await started.ask({ ask: 'rest' });
    return started;
  }

  private constructor(name: LibraryName, adapter: string) {
    this.name = name;
    this.#child = fork(CHILD, [name, adapter], {
      execArgv: ['--import', 'tsx'],
      // JSON would turn NaN into null.
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (text) => {
      this.#errors = (this.#errors + text).slice(-KEPT_CHARACTERS);
    });
  }

  /** Lets the library go on until it has answered. Rejects when its process ends, or takes a quarter of an hour. */
  async ask(request: Request): Promise<Reply> {
    if (this.ended) throw new Error(`the process of ${this.name} has ended`);
    const reply = this.#answer();
    this.#child.kill('SIGCONT');
    this.#child.send(request);
    const found = await reply;
    this.#child.kill('SIGSTOP');
    return found;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ends the process. */
  stop(): void {
    this.#child.kill('SIGKILL');
  }

  #answer(): Promise<Reply> {
    const child = this.#child;
    const timer = setTimeout(() => this.stop(), MOST_MS);
    const reply = new Promise<Reply>((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) =>
        reject(new Error(`the process of ${this.name} ended (${signal ?? code}): ${this.#errors.trim()}`));
      child.once('exit', ended);
      child.once('message', (message) => {
        child.off('exit', ended);
        resolve(message as Reply);
      });
    });
    return reply.finally(() => clearTimeout(timer));
  }
}
