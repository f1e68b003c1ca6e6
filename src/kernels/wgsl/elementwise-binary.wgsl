// out = a ∘ b with NumPy broadcasting; ∘ is OP. `vectors`/`scalars` store T, `compareVectors`/`compareScalars` store 0 or 1.
// All tensors are dense and row-major. Axes are collapsed by the host: size0 is the innermost, a0 and b0 are 0 or 1, and
// a stride of 0 repeats an operand along an axis. The vector entries need size0 % 4 == 0, or one axis only.
// `flat` is for operands that are as dense as out, have one element (ONE: 1 for a, 2 for b, 3 for both) or are numbers: a
// thread takes 4 vectors, adjacent ones on a CPU (a cache line of its own), every 64th on a GPU (neighbours share a line).
// NUMBER = 1: a is the param `number`; 2: b is. Elsewhere a thread computes 4 elements (scalar entries: 1), or RUN times 4 that are
// adjacent in the innermost axis, whose place is found once.
alias T = f32;
override OP: u32 = 0u;
override RANK: u32 = 1u; // axes, at most 4 standing for more
override NUMBER: u32 = 0u;
override ONE: u32 = 0u;
override RUN: u32 = 1u; // or 4, of `vectors`, where size0 % 16 == 0

struct BinaryParams {
  count: u32, // vectors or scalars to store
  number: T,
  lane: u32, step: u32, // of `flat`: how far apart two threads and two turns of a thread are
  size0: u32, size1: u32, size2: u32, size3: u32, size4: u32, size5: u32,
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32,
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32,
}

@group(0) @binding(0) var<uniform> params: BinaryParams;
@group(0) @binding(1) var<storage, read> a: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> aScalar: array<T>;
@group(0) @binding(2) var<storage, read> b: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> bScalar: array<T>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<T>>;
@group(0) @binding(3) var<storage, read_write> outScalar: array<T>;
@group(0) @binding(3) var<storage, read_write> mask: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> maskScalar: array<u32>;

// By bit pattern: compilers may assume that x != x is false.
fn isNan(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn unordered(x: vec4<T>, y: vec4<T>) -> vec4<bool> {
  return isNan(vec4f(x)) | isNan(vec4f(y));
}

fn fromBits(bits: u32) -> vec4f {
  return bitcast<vec4f>(vec4u(bits));
}

// C's pow: x < 0 has a result for integer exponents only; anything to the 0 is 1.
fn power(x: vec4f, y: vec4f) -> vec4f {
  let size = abs(x);
  let positive = pow(max(size, vec4f(1.17549435e-38)), y);
  let infinity = fromBits(0x7f800000u);
  let nan = fromBits(0x7fc00000u);
  let atZero = select(infinity, vec4f(0), y > vec4f(0));
  let odd = abs(y - 2 * floor(y * 0.5)) == vec4f(1);
  var result = select(positive, atZero, size == vec4f(0));
  let negative = select(select(nan, result, floor(y) == y), -result, odd);
  result = select(result, negative, x < vec4f(0));
  result = select(result, x + y, isNan(x) | isNan(y));
  return select(result, vec4f(1), y == vec4f(0));
}

fn apply(x: vec4<T>, y: vec4<T>) -> vec4<T> {
  switch OP {
    case 0u: { return x + y; }
    case 1u: { return x - y; }
    case 2u: { return x * y; }
    case 3u: { return x / y; }
    case 4u: { return select(select(y, x, x > y), x + y, unordered(x, y)); } // maximum
    case 5u: { return select(select(y, x, x < y), x + y, unordered(x, y)); } // minimum
    case 6u: { return vec4<T>(power(vec4f(x), vec4f(y))); }
    case 7u: { return vec4<T>(0.5 * (vec4f(x > y) + vec4f(x >= y))); } // preference: 1, 1/2 or 0
    default: { return vec4<T>(x == y); } // a mask that can be multiplied with
  }
}

fn holds(x: vec4<T>, y: vec4<T>) -> vec4u {
  let ordered = !unordered(x, y);
  switch OP {
    case 0u: { return vec4u(ordered & (x == y)); }
    case 1u: { return vec4u(!ordered | (x != y)); }
    case 2u: { return vec4u(ordered & (x < y)); }
    case 3u: { return vec4u(ordered & (x <= y)); }
    case 4u: { return vec4u(ordered & (x > y)); }
    default: { return vec4u(ordered & (x >= y)); }
  }
}

// Offsets in a and b of the element at `index`.
fn place(index: u32) -> vec2u {
  if (RANK == 1u) { return index * vec2u(params.a0, params.b0); }
  var rest = index / params.size0;
  var at = (index - rest * params.size0) * vec2u(params.a0, params.b0);
  if (RANK == 2u) { return at + rest * vec2u(params.a1, params.b1); }
  at += (rest % params.size1) * vec2u(params.a1, params.b1);
  rest /= params.size1;
  if (RANK == 3u) { return at + rest * vec2u(params.a2, params.b2); }
  at += (rest % params.size2) * vec2u(params.a2, params.b2);
  rest /= params.size2;
  at += (rest % params.size3) * vec2u(params.a3, params.b3);
  rest /= params.size3;
  at += (rest % params.size4) * vec2u(params.a4, params.b4);
  return at + (rest / params.size4) * vec2u(params.a5, params.b5);
}

fn vectorA(at: u32) -> vec4<T> {
  if (NUMBER == 1u) { return vec4<T>(params.number); }
  let v = a[at >> 2u];
  if (params.a0 == 1u) { return v; }
  return vec4<T>(v[at & 3u]);
}

fn vectorB(at: u32) -> vec4<T> {
  if (NUMBER == 2u) { return vec4<T>(params.number); }
  let v = b[at >> 2u];
  if (params.b0 == 1u) { return v; }
  return vec4<T>(v[at & 3u]);
}

fn scalarA(at: u32) -> vec4<T> {
  if (NUMBER == 1u) { return vec4<T>(params.number); }
  return vec4<T>(aScalar[at]);
}

fn scalarB(at: u32) -> vec4<T> {
  if (NUMBER == 2u) { return vec4<T>(params.number); }
  return vec4<T>(bScalar[at]);
}

fn flatA(i: u32) -> vec4<T> {
  if (NUMBER == 1u) { return vec4<T>(params.number); }
  if ((ONE & 1u) != 0u) { return vec4<T>(a[0].x); }
  return a[i];
}

fn flatB(i: u32) -> vec4<T> {
  if (NUMBER == 2u) { return vec4<T>(params.number); }
  if ((ONE & 2u) != 0u) { return vec4<T>(b[0].x); }
  return b[i];
}

fn flatAt(i: u32) { out[i] = apply(flatA(i), flatB(i)); }

@compute @workgroup_size(64)
fn flat(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let i = (thread & 0xffffffc0u) * 4u + (thread & 63u) * params.lane;
  // The last vector again instead of one past it: branches around loads and stores cost more than they save.
  let last = params.count - 1u;
  flatAt(min(i, last));
  flatAt(min(i + params.step, last));
  flatAt(min(i + 2u * params.step, last));
  flatAt(min(i + 3u * params.step, last));
}

fn vectorAt(i: u32, at: vec2u) { out[i] = apply(vectorA(at.x), vectorB(at.y)); }

@compute @workgroup_size(64)
fn vectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = (id.y * groups.x * 64u + id.x) * RUN;
  if (i >= params.count) { return; }
  let at = place(i * 4u);
  let step = 4u * vec2u(params.a0, params.b0);
  vectorAt(i, at);
  if (RUN == 1u) { return; }
  vectorAt(i + 1u, at + step);
  vectorAt(i + 2u, at + 2u * step);
  vectorAt(i + 3u, at + 3u * step);
}

@compute @workgroup_size(64)
fn scalars(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let at = place(i);
  if (i < params.count) { outScalar[i] = apply(scalarA(at.x), scalarB(at.y)).x; }
}

@compute @workgroup_size(64)
fn compareVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let at = place(i * 4u);
  if (i < params.count) { mask[i] = holds(vectorA(at.x), vectorB(at.y)); }
}

@compute @workgroup_size(64)
fn compareScalars(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let at = place(i);
  if (i < params.count) { maskScalar[i] = holds(scalarA(at.x), scalarB(at.y)).x; }
}
