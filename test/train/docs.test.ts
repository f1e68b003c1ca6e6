import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the examples of docs/training.md run, one after the other', async () => {
  const page = await readFile('docs/training.md', 'utf8');
  const examples = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
  const code = examples
    .join('\n')
    .replaceAll("'kernelwright'", `'${resolve('src/index.ts')}'`)
    .replaceAll("'kernelwright/node'", `'${resolve('src/node/index.ts')}'`);
  const folder = await mkdtemp(join('node_modules', '.training-'));
  try {
    const file = join(folder, 'example.mts');
    await writeFile(file, code);
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file]);
    const losses = [...stdout.matchAll(/loss: (\d+\.\d+)/g)].map(([, loss]) => Number(loss));
    expect(losses).toHaveLength(8);
    expect(stdout.trim().split('\n').slice(-1)[0]).toMatch(/^\d/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
