import type { Plugin } from 'esbuild';
import * as generated from '../src/kernels/wgsl.gen.ts';
import type { ShaderFile } from '../src/tensor/pipelines.ts';
import { minifyShaders } from './minify-wgsl.ts';

/** The shaders as they are shipped, by the names of their constants. */
export function shippedShaders(): Record<string, ShaderFile> {
  const shaders = Object.entries(generated as Readonly<Record<string, ShaderFile>>);
  const texts = minifyShaders(shaders.map(([, { code, ...file }]) => ({ code, kept: keptWords(file) })));
  return Object.fromEntries(
    shaders.map(([name, shader], i) => {
      const code = texts[i] ?? '';
      return [name, { ...shader, code, lines: linesOf(code, Object.keys(shader.lines)) }];
    }),
  );
}

function keptWords({ entries, constants, lines }: Omit<ShaderFile, 'code'>): Set<string> {
  return new Set([entries, constants, lines].flatMap((names) => Object.keys(names)));
}

/** The replaceable lines as they are now. */
function linesOf(code: string, names: readonly string[]): Record<string, string> {
  const line = (name: string) => new RegExp(`^(const|alias) ${name}=.*;`, 'm').exec(code)?.[0] ?? '';
  return Object.fromEntries(names.map((name) => [name, line(name)]));
}

/** Bundles the shaders as they are shipped. */
export const minifiedShaders: Plugin = {
  name: 'minified-shaders',
  setup(build) {
    build.onLoad({ filter: /wgsl\.gen\.ts$/ }, () => {
      const constants = Object.entries(shippedShaders());
      const lines = constants.map(([name, shader]) => `export const ${name} = ${JSON.stringify(shader)};`);
      return { contents: lines.join('\n'), loader: 'js' };
    });
  },
};
