// Reads src/kernels/wgsl/*.wgsl and writes src/kernels/wgsl.gen.ts: text, bindings, params, constants and entries.
// `--check` only says whether the generated file is fresh.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'src/kernels/wgsl');
const target = join(root, 'src/kernels/wgsl.gen.ts');

interface Uniform {
  binding: number;
  params: Record<string, string>;
}

interface Fn {
  attributes: string;
  parameters: string;
  body: string;
}

/** The interface of one shader file, as `ShaderFile` in src/tensor/pipelines.ts. */
export function reflect(file: string, text: string) {
  const code = stripComments(text);
  const functions = functionBodies(code);
  const tensors = [
    ...code.matchAll(/@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>\s*(\w+)\s*:\s*([^;]+);/g),
  ];
  const uniforms = uniformsOf(code, file);
  const variables = [...tensors.map((match) => match[3] ?? ''), ...uniforms.keys()];
  checkLocals(file, functions, new Set([...variables, ...functions.keys()]));
  const entries: Record<string, unknown> = {};
  for (const [name, fn] of functions) {
    if (!fn.attributes.includes('@compute')) continue;
    const used = variablesReachableFrom(name, functions, new Set(variables));
    const uniform = [...uniforms].find(([variable]) => used.has(variable))?.[1];
    if (!uniform) throw new Error(`${file}: entry '${name}' uses no uniform params`);
    const bound = tensors.filter((match) => used.has(match[3] ?? ''));
    entries[name] = {
      tensors: Object.fromEntries(
        bound.map(([, binding, access, id]) => [id, { binding: Number(binding), access }]),
      ),
      params: uniform.params,
      uniform: uniform.binding,
    };
  }
  const constants = Object.fromEntries(
    [...code.matchAll(/^override\s+(\w+)\s*:\s*(\w+)/gm)].map((m) => [m[1], m[2]]),
  );
  const overrides = code.match(/\boverride\s/g) ?? [];
  if (overrides.length > Object.keys(constants).length)
    throw new Error(`${file}: more than one override on a line`);
  const lines = [...code.matchAll(/^(?:const (TILE_\w+)|alias ([ST]))\s*=.*;/gm)].map((m) => [
    m[1] ?? m[2],
    m[0],
  ]);
  const typed = tensors.flatMap(([, , , id = '', type = '']) => {
    const alias = /\b[ST]\b/.exec(type)?.[0];
    return alias === undefined ? [] : [[id, alias]];
  });
  return {
    ...{ file, code, entries, constants, lines: Object.fromEntries(lines) as Record<string, string> },
    ...(typed.length > 0 && { typed: Object.fromEntries(typed) as Record<string, string> }),
  };
}

/** Comments go, lines and columns stay, so that compiler messages still point at the source. */
function stripComments(text: string): string {
  return text.replace(/[ \t]*\/\/.*$/gm, '').replace(/[ \t]+$/gm, '');
}

function uniformsOf(code: string, file: string): Map<string, Uniform> {
  const uniforms = new Map<string, Uniform>();
  for (const [, binding, variable, type] of code.matchAll(
    /@binding\((\d+)\)\s*var<uniform>\s*(\w+)\s*:\s*(\w+)/g,
  )) {
    const struct = new RegExp(`struct ${type}\\s*\\{([^}]*)\\}`).exec(code)?.[1];
    if (struct === undefined) throw new Error(`${file}: struct ${type} is not there`);
    // A T comes as its bits, in a word of its own, since what follows is aligned to four bytes.
    const members = [...struct.matchAll(/(\w+)\s*:\s*([\w<>]+)/g)].map((m) => [m[1] ?? '', m[2] ?? '']);
    const packed = members.find(([, kind], i) => kind === 'T' && members[i + 1]?.[1] === 'T');
    if (packed) throw new Error(`${file}: ${type}.${packed[0]} needs a member of four bytes behind it`);
    const wordOf = (kind = '') => (kind === 'T' ? 'u32' : kind);
    const params: Record<string, string> = Object.fromEntries(
      members.map(([name, kind]) => [name, wordOf(kind)]),
    );
    const bad = Object.entries(params).find(([, kind]) => !['u32', 'i32', 'f32'].includes(kind));
    if (bad) throw new Error(`${file}: ${type}.${bad[0]} is ${bad[1]}; only u32, i32 and f32 are allowed`);
    uniforms.set(variable ?? '', { binding: Number(binding), params });
  }
  return uniforms;
}

function functionBodies(code: string): Map<string, Fn> {
  const functions = new Map<string, Fn>();
  for (const match of code.matchAll(/((?:@\w+(?:\([^)]*\))?\s*)*)fn\s+(\w+)\s*\(/g)) {
    const opened = match.index + match[0].length;
    const start = code.indexOf('{', opened);
    functions.set(match[2] ?? '', {
      attributes: match[1] ?? '',
      parameters: code.slice(opened, start),
      body: code.slice(start, endOfBlock(code, start)),
    });
  }
  return functions;
}

function endOfBlock(code: string, start: number): number {
  let depth = 0;
  for (let i = start; i < code.length; i++) {
    if (code[i] === '{') depth++;
    if (code[i] === '}' && --depth === 0) return i + 1;
  }
  return code.length;
}

/** A local with the name of a binding or a function would make it a guess which of the two a later line means. */
function checkLocals(file: string, functions: Map<string, Fn>, globals: Set<string>): void {
  for (const [name, { body }] of functions) {
    const locals = [...body.matchAll(/\b(?:let|const|var(?:<function>)?)\s+(\w+)/g)].map((m) => m[1] ?? '');
    const clash = locals.find((local) => globals.has(local));
    if (clash !== undefined)
      throw new Error(`${file}: the local '${clash}' of '${name}' hides a global of that name`);
  }
}

/** The `variables` that a function and those it calls use. A parameter hides the variable of its name. */
function variablesReachableFrom(
  entry: string,
  functions: Map<string, Fn>,
  variables: Set<string>,
  visited = new Set<string>(),
): Set<string> {
  const fn = functions.get(entry);
  if (!fn || visited.has(entry)) return new Set();
  visited.add(entry);
  const hidden = new Set([...fn.parameters.matchAll(/(\w+)\s*:/g)].map((match) => match[1]));
  const found = new Set<string>();
  for (const [, id = '', call] of fn.body.matchAll(/(?<![.\w])([A-Za-z_]\w*)\b\s*(\(?)/g)) {
    if (variables.has(id) && !hidden.has(id)) found.add(id);
    if (call === '(')
      for (const used of variablesReachableFrom(id, functions, variables, visited)) found.add(used);
  }
  return found;
}

function constName(file: string): string {
  const camel = basename(file, '.wgsl').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return `${camel}Wgsl`;
}

/** The text of src/kernels/wgsl.gen.ts as the shaders are now. */
export function generate(): string {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.wgsl'))
    .sort();
  const shaders = files.map((file) => {
    const info = reflect(file, readFileSync(join(folder, file), 'utf8'));
    return `export const ${constName(file)} = ${JSON.stringify(info)} as const;\n`;
  });
  return `// Generated by scripts/reflect.ts from src/kernels/wgsl/. Do not edit.\n${shaders.join('')}`;
}

/** Whether src/kernels/wgsl.gen.ts is what `generate` gives. */
export function isFresh(): boolean {
  return readFileSync(target, 'utf8') === generate();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    if (!isFresh()) {
      console.error('src/kernels/wgsl.gen.ts is stale: run npm run generate');
      process.exit(1);
    }
  } else {
    writeFileSync(target, generate());
  }
}
