import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';

let examples: string[] = [];

beforeAll(async () => {
  const readme = await readFile('README.md', 'utf8');
  examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
});

/** What a program prints that imports the library as its users do: the numbers in it. */
async function numbersPrinted(code: string): Promise<number[]> {
  const local = code
    .replaceAll("'kernelwright'", `'${resolve('src/index.ts')}'`)
    .replaceAll("'kernelwright/node'", `'${resolve('src/node/index.ts')}'`);
  const folder = await mkdtemp(join('node_modules', '.readme-'));
  try {
    const file = join(folder, 'example.mts');
    await writeFile(file, local);
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file]);
    return [...stdout.matchAll(/\d+\.\d+/g)].map(Number);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the example has at most 16 lines', () => {
  const lines = (examples[0] ?? '').split('\n').filter((line) => line.trim() !== '');
  expect(lines.length).toBeLessThanOrEqual(16);
});

test('the examples run as printed: fit the data, are fooled by the attack, and train on in a captured step', async () => {
  expect(examples).toHaveLength(2);
  const [clean, attacked, later] = (await numbersPrinted(examples.join('\n'))) as [number, number, number];
  expect(clean).toBeLessThan(0.5);
  expect(attacked).toBeGreaterThan(2 * clean);
  expect(later).toBeLessThan(clean);
});
