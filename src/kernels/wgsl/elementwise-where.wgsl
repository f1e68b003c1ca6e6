// out = condition ≠ 0 ? a : b with NumPy broadcasting; bits of any element type are copied.
// All tensors are dense and row-major. Axes are collapsed by the host: size0 is the innermost; c0, a0 and b0 are 0 or 1,
// and a stride of 0 repeats an operand along an axis. `vectors` needs size0 % 4 == 0, or one axis only.
// NUMBERS & 1: a is the number in bitsA; & 2: b is in bitsB. A thread copies 4 (`scalars`: 1) elements.
alias T = u32; // or f16, of which two fill a word
override RANK: u32 = 1u; // axes, at most 4 standing for more
override NUMBERS: u32 = 0u;

struct WhereParams {
  count: u32, // vectors or scalars to store
  bitsA: T,
  size0: u32, size1: u32, size2: u32, size3: u32, size4: u32, size5: u32,
  bitsB: T,
  c0: u32, c1: u32, c2: u32, c3: u32, c4: u32, c5: u32,
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32,
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32,
}

@group(0) @binding(0) var<uniform> params: WhereParams;
@group(0) @binding(1) var<storage, read> condition: array<vec4u>;
@group(0) @binding(2) var<storage, read> a: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> outScalar: array<T>;

// Offsets in condition, a and b of the element at `index`.
fn place(index: u32) -> vec3u {
  let s0 = vec3u(params.c0, params.a0, params.b0);
  if (RANK == 1u) { return index * s0; }
  var rest = index / params.size0;
  var at = (index - rest * params.size0) * s0;
  at += (rest % params.size1) * vec3u(params.c1, params.a1, params.b1);
  rest /= params.size1;
  at += (rest % params.size2) * vec3u(params.c2, params.a2, params.b2);
  rest /= params.size2;
  if (RANK <= 3u) { return at; }
  at += (rest % params.size3) * vec3u(params.c3, params.a3, params.b3);
  rest /= params.size3;
  at += (rest % params.size4) * vec3u(params.c4, params.a4, params.b4);
  return at + (rest / params.size4) * vec3u(params.c5, params.a5, params.b5);
}

// v itself, or the element at an offset repeated.
fn spread(v: vec4<T>, at: u32, stride: u32) -> vec4<T> {
  if (stride == 1u) { return v; }
  return vec4<T>(v[at & 3u]);
}

fn vectorA(at: u32) -> vec4<T> {
  if ((NUMBERS & 1u) != 0u) { return vec4<T>(params.bitsA); }
  return spread(a[at >> 2u], at, params.a0);
}

fn vectorB(at: u32) -> vec4<T> {
  if ((NUMBERS & 2u) != 0u) { return vec4<T>(params.bitsB); }
  return spread(b[at >> 2u], at, params.b0);
}

fn scalarA(at: u32) -> T {
  if ((NUMBERS & 1u) != 0u) { return params.bitsA; }
  return a[at >> 2u][at & 3u];
}

fn scalarB(at: u32) -> T {
  if ((NUMBERS & 2u) != 0u) { return params.bitsB; }
  return b[at >> 2u][at & 3u];
}

@compute @workgroup_size(64)
fn vectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let at = place(i * 4u);
  let flags = condition[at.x >> 2u];
  let holds = select(vec4u(flags[at.x & 3u]), flags, params.c0 == 1u) != vec4u(0);
  if (i < params.count) { out[i] = select(vectorB(at.z), vectorA(at.y), holds); }
}

@compute @workgroup_size(64)
fn scalars(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let at = place(i);
  let holds = condition[at.x >> 2u][at.x & 3u] != 0u;
  if (i < params.count) { outScalar[i] = select(scalarB(at.z), scalarA(at.y), holds); }
}
