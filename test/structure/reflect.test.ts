import { describe, expect, test } from 'vitest';
import { reflect } from '../../scripts/reflect.ts';

const HEAD = `// doubles
struct Params { count: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> extra: array<f32>;
`;

function tensorsOf(body: string, entry = 'main'): string[] {
  const { entries } = reflect('t.wgsl', HEAD + body);
  return Object.keys((entries[entry] as { tensors: object }).tensors);
}

describe('what an entry uses', () => {
  test('bindings by name, directly and through the functions it calls', () => {
    const body = `
fn load(i: u32) -> f32 { return x[i]; }
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = load (id.x) * p.scale; }
@compute @workgroup_size(64) fn other() { y[0] = extra[p.count]; }`;
    expect(tensorsOf(body)).toEqual(['x', 'y']);
    expect(tensorsOf(body, 'other')).toEqual(['y', 'extra']);
  });

  test('not through a parameter or local with the name of a function', () => {
    const body = `
fn relu(v: f32) -> f32 { return max(v, extra[0]); }
fn apply(relu: bool) -> f32 { return select(1.0, 2.0, relu); }
@compute @workgroup_size(64) fn main() { y[p.count] = apply(true); }`;
    expect(tensorsOf(body)).toEqual(['y']);
  });

  test('not through a parameter, member or comment with the name of a binding', () => {
    const body = `
struct Pair { extra: f32 }
fn twice(x: f32) -> f32 { return 2.0 * x; } // extra
/* not a use */ fn member(pair: Pair) -> f32 { return pair.extra; }
@compute @workgroup_size(64) fn main() { y[p.count] = twice(member(Pair(1.0))); }`;
    expect(tensorsOf(body)).toEqual(['y']);
  });

  test('functions that call each other are visited once', () => {
    const body = `
fn a(i: u32) -> f32 { return b(i) + b(i); }
fn b(i: u32) -> f32 { return x[i]; }
@compute @workgroup_size(64) fn main() { y[p.count] = a(0u) + b(1u); }`;
    expect(tensorsOf(body)).toEqual(['x', 'y']);
  });
});

test('a tensor of T says so; a param of T comes as its bits, in a word of its own', () => {
  const typed = (params: string) => `// copies
alias T = f32;
struct Params { ${params} }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main() { y[0] = f32(x[p.count].x); }`;
  const { lines, entries, ...rest } = reflect('t.wgsl', typed('count: u32, value: T'));
  expect(rest).toMatchObject({ typed: { x: 'T' } });
  expect(lines).toEqual({ T: 'alias T = f32;' });
  expect(entries.main).toEqual({
    tensors: { x: { binding: 1, access: 'read' }, y: { binding: 2, access: 'read_write' } },
    params: { count: 'u32', value: 'u32' },
    uniform: 0,
  });
  expect(() => reflect('t.wgsl', typed('count: u32, a: T, b: T'))).toThrow('t.wgsl: Params.a needs');
});

describe('what is refused', () => {
  test('a local that hides a binding or a function', () => {
    const local = (name: string) => `
fn helper() {}
@compute @workgroup_size(64) fn main() { let ${name} = p.count; y[0] = f32(${name}); }`;
    expect(() => tensorsOf(local('x'))).toThrow(
      "t.wgsl: the local 'x' of 'main' hides a global of that name",
    );
    expect(() => tensorsOf(local('helper'))).toThrow("the local 'helper' of 'main'");
    expect(tensorsOf(local('n'))).toEqual(['y']);
  });

  test('an override that is not the first of its line, whose name bundles would not keep', () => {
    const body = `
override A: u32 = 1u; override B: u32 = 2u;
@compute @workgroup_size(64) fn main() { y[p.count] = f32(A + B); }`;
    expect(() => tensorsOf(body)).toThrow('t.wgsl: more than one override on a line');
    expect(tensorsOf(body.replace('; override', ';\noverride'))).toEqual(['y']);
  });

  test('an entry without params, and params that are not scalars', () => {
    expect(() => tensorsOf('@compute @workgroup_size(1) fn main() { y[0] = 1.0; }')).toThrow(
      "t.wgsl: entry 'main' uses no uniform params",
    );
    expect(() => reflect('t.wgsl', HEAD.replace('scale: f32', 'scale: vec4f'))).toThrow(
      't.wgsl: Params.scale is vec4f; only u32, i32 and f32 are allowed',
    );
  });
});

test('the interface: bindings with access, params in order, constants and replaceable lines', () => {
  const text = `${HEAD}
alias T = f32;
const TILE_M = 8;
override LANES: u32 = 64;
@compute @workgroup_size(LANES) fn main() { y[0] = x[0] * p.scale; } // end`;
  const shader = reflect('t.wgsl', text);
  expect(shader.entries).toEqual({
    main: {
      tensors: { x: { binding: 1, access: 'read' }, y: { binding: 2, access: 'read_write' } },
      params: { count: 'u32', scale: 'f32' },
      uniform: 0,
    },
  });
  expect(shader.constants).toEqual({ LANES: 'u32' });
  expect(shader.lines).toEqual({ T: 'alias T = f32;', TILE_M: 'const TILE_M = 8;' });
  expect(shader.code.split('\n').length).toBe(text.split('\n').length); // messages point at the source
  expect(shader.code).not.toContain('//');
});
