import { explain, Interrupted } from './errors.ts';
import { parseCommandLine } from './options.ts';
import type { RunFolder } from './run-folder.ts';
import { runJob } from './run-job.ts';
import { formatTable } from './table.ts';

const SAME_INTERRUPT_MS = 500;

/** Exit codes: 0 done, 2 something the user can mend, 130 interrupted. */
async function main(): Promise<number> {
  const abort = new AbortController();
  let folder: RunFolder | undefined;
  process.on('SIGTERM', () => abort.abort());
  let interrupted = 0;
  process.on('SIGINT', () => {
    const now = performance.now();
    // npm passes on the Ctrl-C that the terminal has sent already: only a later one means that it takes too long.
    if (abort.signal.aborted && now - interrupted > SAME_INTERRUPT_MS) process.exit(130);
    interrupted = now;
    abort.abort();
  });
  try {
    const line = parseCommandLine(process.argv.slice(2));
    const done = await runJob(line, abort.signal, (opened) => {
      folder = opened;
    });
    process.stdout.write(
      line.json
        ? `${JSON.stringify(done.results)}\n`
        : `${formatTable(done.results, process.stdout.columns)}\n`,
    );
    for (const violation of done.results.sanity) process.stderr.write(`warning: ${violation}\n`);
    process.stderr.write(
      `${done.folder.path}: results.json, report.html, checkpoints/ (${Math.round(done.seconds)} s)\n`,
    );
    return 0;
  } catch (error) {
    return fail(error, folder);
  }
}

function fail(error: unknown, folder: RunFolder | undefined): number {
  if (error instanceof Interrupted) {
    process.stderr.write(`\ninterrupted; go on with: npm start -- --resume '${folder?.path ?? ''}'\n`);
    return 130;
  }
  const line = explain(error);
  if (line === undefined) throw error;
  if (line === '(outputHelp)') return 0;
  process.stderr.write(`error: ${line}\n`);
  return 2;
}

process.exitCode = await main();
