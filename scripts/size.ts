// Bytes of the library as an application would ship it: all of it, its core, and five typical imports, minified and gzipped.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import Table from 'cli-table3';
import { Command } from 'commander';
import { build } from 'esbuild';
import { exitWith } from '../bench/exit.ts';
import { minifiedShaders } from './shaders-plugin.ts';

/** Bytes of one bundle. */
export interface BundleSize {
  readonly min: number;
  readonly gzip: number;
}

/** What people import, by the use they make of it. */
export const IMPORTS: Readonly<Record<string, string>> = {
  all: "export * from './src/index.ts'",
  'core: tensors, kernels, autograd': coreOf(readFileSync('src/index.ts', 'utf8')),
  'conv2d and relu': "export { openDevice, conv2d, relu } from './src/index.ts'",
  'matmul and softmax': "export { openDevice, matmul, softmax } from './src/index.ts'",
  'train a perceptron':
    "export { openDevice, Linear, Relu, Sequential, AdamW, Initialiser, crossEntropy, valueAndGrad } from './src/index.ts'",
  'attack a network': "export { openDevice, conv2d, crossEntropy, pgd } from './src/index.ts'",
  'two-stream with AMR':
    "export { openDevice, Initialiser, VideoResNet, StGcn, TwoStreamNetwork, amr, attackNetwork } from './src/index.ts'",
};

/** What `src/index.ts` re-exports from the folders that know no network. */
function coreOf(index: string): string {
  const exports = index.match(/^export [^;]*;/gm) ?? [];
  const core = exports.filter((text) => /'\.\/(tensor|kernels|autograd)\/|'\.\/errors/.test(text));
  return core.join('\n').replaceAll("'./", "'./src/");
}

/** Bundles every entry of `IMPORTS` with esbuild, tree-shaken. */
export async function measureSizes(): Promise<Record<string, BundleSize>> {
  const sizes: Record<string, BundleSize> = {};
  for (const [name, contents] of Object.entries(IMPORTS)) sizes[name] = await bundleSize(contents);
  return sizes;
}

async function bundleSize(contents: string): Promise<BundleSize> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: '.', loader: 'ts' },
    bundle: true,
    minify: true,
    plugins: [minifiedShaders],
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  const bytes = outputFiles[0]?.contents ?? new Uint8Array();
  return { min: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}

async function main(): Promise<void> {
  const options = new Command('npm run size --')
    .exitOverride()
    .description('Bytes of the library, whole and as five typical imports, minified and gzipped.')
    .option('--json', 'print JSON', false)
    .parse()
    .opts<{ json: boolean }>();
  const sizes = await measureSizes();
  if (options.json) {
    process.stdout.write(`${JSON.stringify(sizes)}\n`);
    return;
  }
  const table = new Table({ head: ['import', 'minified KB', 'gzip KB'], style: { head: [], border: [] } });
  for (const [name, { min, gzip }] of Object.entries(sizes))
    table.push([name, (min / 1000).toFixed(1), (gzip / 1000).toFixed(1)]);
  process.stdout.write(`${table.toString()}\n`);
}

if (process.argv[1]?.endsWith('size.ts')) await exitWith(main);
