// Writes dist/: one ES module for each entry of package.json (webgpu and the SwiftShader package stay outside), and types.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import { minifiedShaders } from './shaders-plugin.ts';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: { index: 'src/index.ts', 'node/index': 'src/node/index.ts' },
  outdir: 'dist',
  bundle: true,
  plugins: [minifiedShaders],
  splitting: true, // the error classes of both entries must be the same
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  external: ['webgpu', '@sparticuz/chromium', 'node:*'],
  chunkNames: 'chunks/[hash]',
});
execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
