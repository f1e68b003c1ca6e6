import { beforeAll, describe, expect, test } from 'vitest';
import { minifyShaders } from '../../scripts/minify-wgsl.ts';
import { isFresh } from '../../scripts/reflect.ts';
import { shippedShaders } from '../../scripts/shaders-plugin.ts';
import * as generated from '../../src/kernels/wgsl.gen.ts';
import { nullGpu } from '../../src/node/gpu.ts';
import { ErrorSink } from '../../src/tensor/error-sink.ts';
import { Pipelines, type ShaderFile } from '../../src/tensor/pipelines.ts';
import { filesIn, textOf } from './source.ts';

const shaders: readonly ShaderFile[] = Object.values(generated);
const entries = shaders.flatMap((shader) =>
  Object.keys(shader.entries).map((entry) => [shader, entry] as const),
);
const broken: ShaderFile = {
  file: 'broken.wgsl',
  code: '@compute @workgroup_size(1)\nfn main() {\n  let x = y;\n}',
  entries: { main: { tensors: {}, params: {}, uniform: 0 } },
  constants: {},
  lines: {},
};

let adapter: GPUAdapter; // kept: Dawn aborts when it is collected before its device
let gpu: GPUDevice; // with WebGPU's default limits, within which every shader must stay
beforeAll(async () => {
  const found = await (await nullGpu()).requestAdapter();
  adapter = found as GPUAdapter;
  const wanted = (['subgroups', 'shader-f16'] as const).filter((feature) => adapter.features.has(feature));
  gpu = await adapter.requestDevice({ requiredFeatures: wanted });
});

/** Throws what the compiler says about one entry with its default constants and the reflected layout. */
async function compile(shader: ShaderFile, entry: string): Promise<void> {
  const errors = new ErrorSink(gpu);
  new Pipelines(gpu, errors).get({ shader, entry, specialization: {} });
  await errors.settle();
}

describe('every entry compiles within the default limits', () => {
  test.each(entries.map(([shader, entry]) => [`${shader.file}:${entry}`, shader, entry] as const))(
    '%s',
    async (_, shader, entry) => {
      await compile(shader, entry);
    },
  );

  test('and one that does not is reported as file:line:column', async () => {
    await expect(compile(broken, 'main')).rejects.toThrow(/broken\.wgsl:3:11: .*\n {2} {2}let x = y;/);
  });

  test('and a binding that the reflection missed is reported', async () => {
    const [shader, entry] = entries.find(([{ file }]) => file === 'elementwise-fill.wgsl') ?? [];
    const { params, uniform } = shader?.entries[entry ?? ''] ?? broken.entries.main!;
    const poor: ShaderFile = { ...(shader ?? broken), entries: { fill: { tensors: {}, params, uniform } } };
    await expect(compile(poor, 'fill')).rejects.toThrow(/elementwise-fill\.wgsl:fill: .*binding/is);
  });
});

describe('as they are shipped', () => {
  const shipped = shippedShaders();

  test.each(Object.entries(shipped))('%s compiles, and every line is where it was', async (name, shader) => {
    const plain = (generated as Readonly<Record<string, ShaderFile>>)[name] as ShaderFile;
    for (const entry of Object.keys(shader.entries)) await compile(shader, entry);
    const filled = ({ code }: ShaderFile) => code.split('\n').map((line) => line.trim() !== '');
    expect(filled(shader)).toEqual(filled(plain));
    expect(shader.code.length).toBeLessThan(0.8 * plain.code.length);
    for (const line of Object.values(shader.lines)) expect(shader.code).toContain(line);
    expect(Object.values(shader.lines)).not.toContain('');
  });

  test('what an operator or a number is stays what it is', () => {
    const code =
      'fn first(value: f32) -> f32 {\n  let other = value - -1.5e-3f;\n  return other + +value;\n}';
    expect(minifyShaders([{ code, kept: new Set(['first']) }])).toEqual([
      'fn first(c:f32)->f32{\nlet d=c- -1.5e-3f;\nreturn d+ +c;\n}',
    ]);
  });
});

describe('the generated file', () => {
  test('is what scripts/reflect.ts makes of the shaders', () => {
    expect(isFresh()).toBe(true);
  });

  test('has every shader file, with at least one entry each', () => {
    const names = filesIn('src/kernels/wgsl', '.wgsl').map((file) => file.split('/').at(-1));
    expect(shaders.map(({ file }) => file)).toEqual(names);
    expect(shaders.filter((shader) => Object.keys(shader.entries).length === 0)).toEqual([]);
  });
});

test('shaders are plain WGSL: no templates, no preprocessor', () => {
  const marked = filesIn('src', '.wgsl').flatMap((file) =>
    textOf(file)
      .split('\n')
      .flatMap((line, i) => (/\$\{|\{\{|<%|^\s*#/.test(line) ? [`${file}:${i + 1}: ${line}`] : [])),
  );
  expect(marked).toEqual([]);
});

test('no shader text in TypeScript', () => {
  const sources = filesIn('src').filter((file) => file !== 'src/kernels/wgsl.gen.ts');
  expect(sources.filter((file) => /@compute|@workgroup_size|var<storage/.test(textOf(file)))).toEqual([]);
});

test('every file opens with a comment that says what it computes', () => {
  const bare = filesIn('src', '.wgsl').filter((file) => !/^(enable \w+;\s*)?\/\/ /.test(textOf(file)));
  expect(bare).toEqual([]);
});

test('every entry unfolds its workgroups, so that there may be more than 65,535', () => {
  const headers = shaders.flatMap(({ file, code }) =>
    [...code.matchAll(/@compute[^{]*?fn\s+(\w+)\s*\(([^{]*)\{([\s\S]*?)\n\}/g)].map(
      ([, entry, parameters = '', body = '']) => ({ name: `${file}:${entry}`, parameters, body }),
    ),
  );
  const folded = headers.filter(({ parameters, body }) => {
    const groups = /@builtin\(num_workgroups\)\s*(\w+)/.exec(parameters)?.[1];
    return !groups || !new RegExp(`\\w\\.y \\* ${groups}\\.x\\b`).test(body);
  });
  expect(headers).toHaveLength(entries.length);
  expect(folded.map(({ name }) => name)).toEqual([]);
});
