// out[o] = scale · (f(x₀) ∘ f(x₁) ∘ …) over the reduced axes of a dense tensor, in a fixed order; ∘ and f are OP.
// The host collapses the axes into at most 3 kept and 3 reduced ones, innermost first, with their strides in elements.
// A thread takes one output (`columns`: four) and every chunks-th element from `chunk` on, summing blocks of 32 to keep
// rounding small; more than one chunk leaves partial results for the next pass: [chunks, outputs], or
// [outputs, chunks] for `rows`, where 4 reduced elements are adjacent. `shift` holds a number for each output.
// `addLog`: out = log x + shift, element by element, which ends a log Σ exp.
override OP: u32; // 0 sum, 1 max, 2 min (both pass NaN on), 3 Σ exp(x − shift), 4 Σ (x − shift)²

struct ReduceParams {
  outputs: u32, // per chunk; vectors in `columns`
  chunks: u32,
  length: u32, // reduced elements; vectors in `rows`
  elements: u32, // reduced elements
  scale: f32,
  neutral: f32,
  keepSize0: u32, keepSize1: u32,
  keepStride0: u32, keepStride1: u32, keepStride2: u32,
  reduceSize0: u32, reduceSize1: u32,
  reduceStride0: u32, reduceStride1: u32, reduceStride2: u32,
}

struct AddLogParams { count: u32 } // vectors

@group(0) @binding(0) var<uniform> params: ReduceParams;
@group(0) @binding(0) var<uniform> addLogParams: AddLogParams;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> xScalar: array<f32>;
@group(0) @binding(2) var<storage, read> shift: array<f32>;
@group(0) @binding(2) var<storage, read> shiftVector: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> outVector: array<vec4f>;

const BLOCK = 32u;

// By bit pattern: compilers may assume that x != x is false.
fn isNan(v: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn fromBits(bits: u32) -> vec4f {
  return bitcast<vec4f>(vec4u(bits));
}

// An infinite shift would make exp(∞ − ∞) = NaN: 0 instead.
fn finite(v: vec4f) -> vec4f {
  return select(v, vec4f(0), (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) == vec4u(0x7f800000u));
}

fn shifted(v: vec4f, by: vec4f) -> vec4f {
  switch OP {
    case 3u: { return exp(v - finite(by)); }
    case 4u: { return (v - by) * (v - by); }
    default: { return v; }
  }
}

fn shiftOf(o: u32) -> vec4f {
  if (OP < 3u) { return vec4f(); }
  return vec4f(shift[o]);
}

fn shiftsOf(o: u32) -> vec4f {
  if (OP < 3u) { return vec4f(); }
  return shiftVector[o];
}

fn merge(a: vec4f, b: vec4f) -> vec4f {
  switch OP {
    case 1u: { return select(a, b, (b > a) | isNan(b)); }
    case 2u: { return select(a, b, (b < a) | isNan(b)); }
    default: { return a + b; }
  }
}

// Offset of output o.
fn keptAt(o: u32) -> u32 {
  let rest = o / params.keepSize0;
  let first = (o - rest * params.keepSize0) * params.keepStride0;
  let last = rest / params.keepSize1;
  return first + (rest - last * params.keepSize1) * params.keepStride1 + last * params.keepStride2;
}

// Offset of reduced element r.
fn reducedAt(r: u32) -> u32 {
  if (params.elements == params.reduceSize0) { return r * params.reduceStride0; }
  let rest = r / params.reduceSize0;
  let first = (r - rest * params.reduceSize0) * params.reduceStride0;
  let last = rest / params.reduceSize1;
  return first + (rest - last * params.reduceSize1) * params.reduceStride1 + last * params.reduceStride2;
}

@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let o = thread / params.chunks;
  let base = keptAt(o);
  let by = shiftOf(o);
  let neutral = vec4f(params.neutral);
  var total = neutral;
  var j = thread - o * params.chunks;
  while (j < params.length) {
    var block = neutral;
    let end = min(j + BLOCK * params.chunks, params.length);
    for (; j < end; j += params.chunks) {
      let v = shifted(x[(base + reducedAt(j * 4u)) >> 2u], by);
      let inside = vec4u(j * 4u) + vec4u(0, 1, 2, 3) < vec4u(params.elements);
      block = merge(block, select(neutral, v, inside));
    }
    total = merge(total, block);
  }
  let pair = merge(total, total.zwxy);
  if (o < params.outputs) { out[thread] = merge(pair, pair.yxwz).x * params.scale; }
}

@compute @workgroup_size(64)
fn columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let chunk = thread / params.outputs;
  let o = thread - chunk * params.outputs;
  let base = keptAt(o * 4u);
  let by = shiftsOf(o);
  var total = vec4f(params.neutral);
  var r = chunk;
  while (r < params.length) {
    var block = vec4f(params.neutral);
    let end = min(r + BLOCK * params.chunks, params.length);
    for (; r < end; r += params.chunks) {
      block = merge(block, shifted(x[(base + reducedAt(r)) >> 2u], by));
    }
    total = merge(total, block);
  }
  if (chunk < params.chunks) { outVector[thread] = total * params.scale; }
}

@compute @workgroup_size(64)
fn general(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let chunk = thread / params.outputs;
  let o = thread - chunk * params.outputs;
  let base = keptAt(o);
  let by = shiftOf(o);
  var total = vec4f(params.neutral);
  var r = chunk;
  while (r < params.length) {
    var block = vec4f(params.neutral);
    let end = min(r + BLOCK * params.chunks, params.length);
    for (; r < end; r += params.chunks) {
      block = merge(block, shifted(vec4f(xScalar[base + reducedAt(r)]), by));
    }
    total = merge(total, block);
  }
  if (chunk < params.chunks) { out[thread] = total.x * params.scale; }
}

@compute @workgroup_size(64)
fn addLog(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  // Some drivers' log knows no 0.
  let logarithm = select(log(x[i]), fromBits(0xff800000u), x[i] == vec4f(0));
  if (i < addLogParams.count) { outVector[i] = logarithm + finite(shiftVector[i]); }
}
