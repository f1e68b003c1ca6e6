// out[o] = scale · (f(x₀) ∘ f(x₁) ∘ …) over the reduced axes of a dense tensor, in a fixed order; ∘ and f are OP.
// The host collapses the axes into at most 3 kept and 3 reduced ones, innermost first, with their strides in elements.
// `rows`: 4 reduced elements are adjacent; `columns`: 4 outputs are; `wide`: 8; `general`: any strides. A thread takes one
// output (`columns`: four, `wide`: eight) and one chunk of its elements, in blocks to keep rounding small: adjacent elements
// on a CPU, every chunks-th one on a GPU, where neighbouring threads share cache lines. Several chunks leave partial
// results for the next pass: [outputs, chunks] from `rows`, else [chunks, outputs]. `shift` holds a number for each output.
// `addLog`: out = log x + shift, element by element, which ends a log Σ exp.
alias T = f32; // of x; everything else is f32
override SINGLE: bool = true; // one reduced axis
override DEEP: bool = true; // blocks of 8: a CPU forgets the many branches of so long a loop
override OP: u32 = 0u; // 0 sum, 1 max, 2 min (both pass NaN on), 3 Σ exp(x − shift), 4 Σ (x − shift)²

struct ReduceParams {
  outputs: u32, // per chunk; vectors in `columns`, pairs of them in `wide`
  chunks: u32,
  length: u32, // steps along the reduced axes: elements in `columns` and `wide`, else groups of 4
  elements: u32, // reduced elements
  start: u32, step: u32, // a chunk takes `turns` steps: chunk · start + k · step
  turns: u32,
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
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read> shift: array<f32>;
@group(0) @binding(2) var<storage, read> shiftVector: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> outVector: array<vec4f>;

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
  if (SINGLE) { return r * params.reduceStride0; }
  let rest = r / params.reduceSize0;
  let first = (r - rest * params.reduceSize0) * params.reduceStride0;
  let last = rest / params.reduceSize1;
  return first + (rest - last * params.reduceSize1) * params.reduceStride1 + last * params.reduceStride2;
}

// What lies past the last element must not count, and may be NaN.
fn inside(j: u32, v: vec4f) -> vec4f {
  return select(vec4f(params.neutral), v, vec4u(j * 4u) + vec4u(0, 1, 2, 3) < vec4u(params.elements));
}

// Four elements of the general layout, wherever they lie.
fn gather(base: u32, j: u32) -> vec4f {
  let r = j * 4u;
  let front = vec2<T>(xScalar[base + reducedAt(r)], xScalar[base + reducedAt(r + 1u)]);
  return vec4f(vec4<T>(front, xScalar[base + reducedAt(r + 2u)], xScalar[base + reducedAt(r + 3u)]));
}

// `at` is the place of the output in vectors; one axis of rows is contiguous.
fn row(at: u32, j: u32, by: vec4f) -> vec4f {
  if (SINGLE) { return shifted(vec4f(x[at + j]), by); }
  return shifted(vec4f(x[at + (reducedAt(j * 4u) >> 2u)]), by);
}

fn fourRows(at: u32, j: u32, step: u32, by: vec4f) -> vec4f {
  let front = merge(row(at, j, by), row(at, j + step, by));
  return merge(front, merge(row(at, j + 2u * step, by), row(at, j + 3u * step, by)));
}

fn column(base: u32, r: u32, by: vec4f) -> vec4f {
  return shifted(vec4f(x[(base + reducedAt(r)) >> 2u]), by);
}

fn across(v: vec4f) -> f32 {
  let pair = merge(v, v.zwxy);
  return merge(pair, pair.yxwz).x;
}

@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let o = thread / params.chunks;
  let chunk = thread - o * params.chunks;
  let at = keptAt(o) >> 2u;
  let by = shiftOf(o);
  let step = params.step;
  var j = chunk * params.start;
  let end = j + params.turns * step;
  let whole = min(end, params.elements / 4u);
  var total = vec4f(params.neutral);
  for (; DEEP && j + 7u * step < whole; j += 8u * step) {
    total = merge(total, merge(fourRows(at, j, step, by), fourRows(at, j + 4u * step, step, by)));
  }
  for (; j + 3u * step < whole; j += 4u * step) { total = merge(total, fourRows(at, j, step, by)); }
  for (; j < min(end, params.length); j += step) { total = merge(total, inside(j, row(at, j, by))); }
  if (o < params.outputs) { out[thread] = across(total) * params.scale; }
}

@compute @workgroup_size(64)
fn columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let chunk = thread / params.outputs;
  let o = thread - chunk * params.outputs;
  let base = keptAt(o * 4u);
  let by = shiftsOf(o);
  let step = params.step;
  var j = chunk * params.start;
  let end = j + params.turns * step;
  let whole = min(end, params.length);
  var total = vec4f(params.neutral);
  for (; j + 7u * step < whole; j += 8u * step) {
    let s0 = merge(column(base, j, by), column(base, j + step, by));
    let s1 = merge(column(base, j + 2u * step, by), column(base, j + 3u * step, by));
    let s2 = merge(column(base, j + 4u * step, by), column(base, j + 5u * step, by));
    let s3 = merge(column(base, j + 6u * step, by), column(base, j + 7u * step, by));
    total = merge(total, merge(merge(s0, s1), merge(s2, s3)));
  }
  for (; j < min(end, params.length); j += step) { total = merge(total, column(base, j, by)); }
  if (chunk < params.chunks) { outVector[thread] = total * params.scale; }
}

@compute @workgroup_size(64)
fn wide(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let chunk = thread / params.outputs;
  let o = thread - chunk * params.outputs;
  let base = keptAt(o * 8u);
  let by0 = shiftsOf(o * 2u);
  let by1 = shiftsOf(o * 2u + 1u);
  let step = params.step;
  var j = chunk * params.start;
  let end = min(j + params.turns * step, params.length);
  var total0 = vec4f(params.neutral);
  var total1 = vec4f(params.neutral);
  for (; j + step < end; j += 2u * step) {
    total0 = merge(total0, merge(column(base, j, by0), column(base, j + step, by0)));
    total1 = merge(total1, merge(column(base + 4u, j, by1), column(base + 4u, j + step, by1)));
  }
  if (j < end) {
    total0 = merge(total0, column(base, j, by0));
    total1 = merge(total1, column(base + 4u, j, by1));
  }
  if (chunk < params.chunks) {
    outVector[thread * 2u] = total0 * params.scale;
    outVector[thread * 2u + 1u] = total1 * params.scale;
  }
}

@compute @workgroup_size(64)
fn general(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let chunk = thread / params.outputs;
  let o = thread - chunk * params.outputs;
  let base = keptAt(o);
  let by = shiftOf(o);
  let step = params.step;
  var j = chunk * params.start;
  let end = min(j + params.turns * step, params.length);
  var total = vec4f(params.neutral);
  while (j < end) {
    var block = vec4f(params.neutral);
    let stop = min(j + 8u * step, end);
    for (; j < stop; j += step) { block = merge(block, inside(j, shifted(gather(base, j), by))); }
    total = merge(total, block);
  }
  if (chunk < params.chunks) { out[thread] = across(total) * params.scale; }
}

@compute @workgroup_size(64)
fn addLog(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  // Some drivers' log knows no 0.
  let v = vec4f(x[i]);
  let logarithm = select(log(v), fromBits(0xff800000u), v == vec4f(0));
  if (i < addLogParams.count) { outVector[i] = logarithm + finite(shiftVector[i]); }
}
