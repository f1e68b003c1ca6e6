import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const PAGES = ['smart', 'bone-pgd', 'bone-length', 'audit'];

/** The example of a page: its imports, and what follows them as a block. */
async function exampleOf(page: string): Promise<{ imports: string[]; body: string }> {
  const text = await readFile(`docs/attacks/${page}.md`, 'utf8');
  const lines = (/```ts\n([\s\S]*?)```/.exec(text)?.[1] ?? '').split('\n');
  const isImport = (line: string) => line.startsWith('import ');
  return {
    imports: lines.filter(isImport),
    body: `{\n${lines.filter((line) => !isImport(line)).join('\n')}}`,
  };
}

test('the examples of the attacks on skeletons and of the audit run', async () => {
  const examples = await Promise.all(PAGES.map(exampleOf));
  const imports = new Set(examples.flatMap((example) => example.imports));
  const code = [...imports, ...examples.map(({ body }) => body)]
    .join('\n')
    .replaceAll("'kernelwright'", `'${resolve('src/index.ts')}'`)
    .replaceAll("'kernelwright/node'", `'${resolve('src/node/index.ts')}'`);
  const folder = await mkdtemp(join('node_modules', '.skeleton-'));
  try {
    const file = join(folder, 'example.mts');
    await writeFile(file, code);
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file]);
    expect([...stdout.matchAll(/fooled \d of 4/g)]).toHaveLength(3);
    expect(stdout).toMatch(/the gradient is zero throughout/);
    expect([...stdout.matchAll(/(distance|\(m\)) [\d.e-]+\n/g)]).toHaveLength(3);
  } finally {
    await rm(folder, { recursive: true });
  }
});
