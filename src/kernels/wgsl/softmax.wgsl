// y = exp(x − m) / Σ exp(x − m) with m = max x, or its logarithm x − m − log Σ (LOG), along n of x [outer, n, inner].
// dx = y·(g − Σ g·y), or g − exp(y)·Σ g (LOG).
// Row r (of outer·inner) starts at (r / inner)·n·inner + r % inner; its elements are `inner` apart.
// threads…: a thread has one row. groups…: a workgroup of LANES threads has one row, lane l the elements l, l + LANES, ….
// …4: elements are vec4 (inner = 1, n divisible by 4).
// The maximum starts at the lowest finite number, so that a row of −Infinity sums to 0 and is seen by that.
// …4 read a row twice: the maximum and the sum are found in one pass (Milakov and Gimelshein 2018).
// Adapters differ in max(NaN, 0) and even in exp(NaN), so NaN is looked for by bit pattern: `bits` is the largest |x|.
alias T = f32;
override LOG: bool = false;
override LANES: u32 = 64;
const LOWEST = -0x1.fffffep+127f;

struct SoftmaxParams { rows: u32, n: u32, inner: u32, zeroEmpty: u32 }
@group(0) @binding(0) var<uniform> p: SoftmaxParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> yScalar: array<T>;
@group(0) @binding(3) var<storage, read> saved: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> savedScalar: array<T>;
var<workgroup> scratch: array<f32, LANES>;

// Σ or max of v over the lanes, in a fixed order.
fn laneSum(lane: u32, v: f32) -> f32 {
  scratch[lane] = v;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) { scratch[lane] += scratch[lane + half]; }
    workgroupBarrier();
  }
  let total = scratch[0];
  workgroupBarrier();
  return total;
}

fn laneMax(lane: u32, v: f32) -> f32 {
  scratch[lane] = v;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) { scratch[lane] = max(scratch[lane], scratch[lane + half]); }
    workgroupBarrier();
  }
  let most = scratch[0];
  workgroupBarrier();
  return most;
}

fn start(row: u32) -> u32 { return row / p.inner * p.n * p.inner + row % p.inner; }

fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | min(p.zeroEmpty, 0u)); }

// What each exp(x − m) is multiplied by; with LOG what is subtracted.
fn scaleOf(most: f32, total: f32) -> f32 {
  if (most > -LOWEST) { return nan(); }
  if (total == 0.0) { return select(nan(), 0.0, p.zeroEmpty != 0u); }
  if (LOG) { return log(total); }
  return 1.0 / total;
}

// exp of a logarithm of a probability; NaN stays NaN.
fn exp4(v: vec4f) -> vec4f {
  return select(exp(v), v, (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}

fn widest(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn magnitude(v: vec4f) -> vec4u { return bitcast<vec4u>(v) & vec4u(0x7fffffffu); }

// (m, Σ exp(x − m)) of elements read once: what is summed so far is scaled down whenever m grows. +Infinity as m where
// there is a NaN.
fn stats4(base: u32, first: u32, step: u32) -> vec2f {
  let quads = p.n / 4u;
  var most = LOWEST;
  var total = vec4f(0.0);
  var bits = vec4u(0u);
  var j = first;
  for (; j + 3u * step < quads; j += 4u * step) {
    let a = vec4f(x[base + j]);
    let b = vec4f(x[base + j + step]);
    let c = vec4f(x[base + j + 2u * step]);
    let d = vec4f(x[base + j + 3u * step]);
    bits = max(bits, max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(d))));
    let next = max(most, widest(max(max(a, b), max(c, d))));
    total = total * exp(most - next) + ((exp(a - next) + exp(b - next)) + (exp(c - next) + exp(d - next)));
    most = next;
  }
  for (; j < quads; j += step) {
    let a = vec4f(x[base + j]);
    bits = max(bits, magnitude(a));
    let next = max(most, widest(a));
    total = total * exp(most - next) + exp(a - next);
    most = next;
  }
  return vec2f(checked(most, max(max(bits.x, bits.y), max(bits.z, bits.w))), total.x + total.y + total.z + total.w);
}

// +Infinity stands for a row that has a NaN: both make every element NaN.
fn checked(most: f32, bits: u32) -> f32 { return select(most, infinity(), bits > 0x7f800000u); }
fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | min(p.zeroEmpty, 0u)); }

fn store4(base: u32, first: u32, step: u32, most: f32, scale: f32) {
  for (var j = first; j < p.n / 4u; j += step) {
    let z = vec4f(x[base + j]) - most;
    if (LOG) { y[base + j] = vec4<T>(z - scale); } else { y[base + j] = vec4<T>(exp(z) * scale); }
  }
}

fn max1(base: u32, first: u32, step: u32) -> f32 {
  var most = LOWEST;
  var bits = 0u;
  for (var j = first; j < p.n; j += step) {
    let v = f32(xScalar[base + j * p.inner]);
    most = max(most, v);
    bits = max(bits, bitcast<u32>(v) & 0x7fffffffu);
  }
  return checked(most, bits);
}

fn sum1(base: u32, first: u32, step: u32, most: f32) -> f32 {
  var total = 0.0;
  for (var j = first; j < p.n; j += step) { total += exp(f32(xScalar[base + j * p.inner]) - most); }
  return total;
}

fn store1(base: u32, first: u32, step: u32, most: f32, scale: f32) {
  for (var j = first; j < p.n; j += step) {
    let at = base + j * p.inner;
    let z = f32(xScalar[at]) - most;
    if (LOG) { yScalar[at] = T(z - scale); } else { yScalar[at] = T(exp(z) * scale); }
  }
}

@compute @workgroup_size(64)
fn threads4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let base = row * (p.n / 4u);
  let stats = stats4(base, 0u, 1u);
  store4(base, 0u, 1u, stats.x, scaleOf(stats.x, stats.y));
}

@compute @workgroup_size(64)
fn threads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let base = start(row);
  let most = max1(base, 0u, 1u);
  store1(base, 0u, 1u, most, scaleOf(most, sum1(base, 0u, 1u, most)));
}

@compute @workgroup_size(LANES)
fn groups4(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * count.x + id.x;
  if (row >= p.rows) { return; }
  let base = row * (p.n / 4u);
  let stats = stats4(base, lane, LANES);
  let most = laneMax(lane, stats.x);
  let total = laneSum(lane, stats.y * exp(stats.x - most));
  store4(base, lane, LANES, most, scaleOf(most, total));
}

@compute @workgroup_size(LANES)
fn groups(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * count.x + id.x;
  if (row >= p.rows) { return; }
  let base = start(row);
  let most = laneMax(lane, max1(base, lane, LANES));
  let total = laneSum(lane, sum1(base, lane, LANES, most));
  store1(base, lane, LANES, most, scaleOf(most, total));
}

// The gradient: `saved` is the result of the forward pass, x the gradient of it, y the gradient of its input.
fn dot4(base: u32, first: u32, step: u32) -> f32 {
  var total = vec4f(0.0);
  for (var j = first; j < p.n / 4u; j += step) {
    if (LOG) { total += vec4f(x[base + j]); } else { total += vec4f(x[base + j]) * vec4f(saved[base + j]); }
  }
  return total.x + total.y + total.z + total.w;
}

fn storeGrad4(base: u32, first: u32, step: u32, total: f32) {
  for (var j = first; j < p.n / 4u; j += step) {
    let g = vec4f(x[base + j]);
    let s = vec4f(saved[base + j]);
    if (LOG) { y[base + j] = vec4<T>(g - exp4(s) * total); } else { y[base + j] = vec4<T>(s * (g - total)); }
  }
}

fn dot1(base: u32, first: u32, step: u32) -> f32 {
  var total = 0.0;
  for (var j = first; j < p.n; j += step) {
    let at = base + j * p.inner;
    if (LOG) { total += f32(xScalar[at]); } else { total += f32(xScalar[at]) * f32(savedScalar[at]); }
  }
  return total;
}

fn storeGrad1(base: u32, first: u32, step: u32, total: f32) {
  for (var j = first; j < p.n; j += step) {
    let at = base + j * p.inner;
    let g = f32(xScalar[at]);
    let s = f32(savedScalar[at]);
    if (LOG) { yScalar[at] = T(g - exp4(vec4f(s)).x * total); } else { yScalar[at] = T(s * (g - total)); }
  }
}

@compute @workgroup_size(64)
fn gradThreads4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let base = row * (p.n / 4u);
  storeGrad4(base, 0u, 1u, dot4(base, 0u, 1u));
}

@compute @workgroup_size(64)
fn gradThreads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let base = start(row);
  storeGrad1(base, 0u, 1u, dot1(base, 0u, 1u));
}

@compute @workgroup_size(LANES)
fn gradGroups4(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * count.x + id.x;
  if (row >= p.rows) { return; }
  let base = row * (p.n / 4u);
  storeGrad4(base, lane, LANES, laneSum(lane, dot4(base, lane, LANES)));
}

@compute @workgroup_size(LANES)
fn gradGroups(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * count.x + id.x;
  if (row >= p.rows) { return; }
  let base = start(row);
  storeGrad1(base, lane, LANES, laneSum(lane, dot1(base, lane, LANES)));
}
