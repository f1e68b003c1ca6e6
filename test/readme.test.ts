import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the example runs as printed, fits the data and is fooled by the attack', async () => {
  const readme = await readFile('README.md', 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  expect(
    example
      .trim()
      .split('\n')
      .filter((line) => line !== '').length,
  ).toBeLessThanOrEqual(16);
  const code = example
    .replace("'kernelwright'", `'${resolve('src/index.ts')}'`)
    .replace("'kernelwright/node'", `'${resolve('src/node/index.ts')}'`);
  const folder = await mkdtemp(join('node_modules', '.readme-'));
  try {
    await writeFile(join(folder, 'example.mts'), `${code}`);
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      join(folder, 'example.mts'),
    ]);
    const [clean, attacked] = [...stdout.matchAll(/\d+\.\d+/g)].map(Number);
    expect(clean).toBeLessThan(0.5);
    expect(attacked).toBeGreaterThan(2 * (clean ?? 0));
  } finally {
    await rm(folder, { recursive: true });
  }
});
