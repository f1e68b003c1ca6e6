enable subgroups;
// Softmax and layer normalisation of rows of 4·quads elements, with the formulas of softmax.wgsl and group-norm.wgsl. A subgroup
// has a row, so there is neither workgroup memory nor a barrier: for GPUs, where rows are of some thousand elements at most.
// How large a subgroup is only the adapter knows, so there may be more of them than rows: those do nothing.
alias T = f32; // of x, y, g and probabilities; what belongs to a channel is f32
override LOG: bool = false;
const LOWEST = -0x1.fffffep+127f;

struct RowParams { rows: u32, quads: u32, zeroEmpty: u32, hasGamma: u32, hasBeta: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: RowParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> probabilities: array<vec4<T>>; // or their logarithms, with LOG
@group(0) @binding(7) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(5) var<storage, read> beta: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read> savedStats: array<vec2f>;

// A thread's place in its subgroup, and the subgroup's row: `quads` vectors from `base`, none past the last row.
struct Place { lane: u32, lanes: u32, row: u32, base: u32, quads: u32 }

fn placeOf(thread: u32, group: u32, lane: u32, lanes: u32) -> Place {
  let row = group * (128u / lanes) + subgroupMin(thread) / lanes;
  return Place(lane, lanes, row, row * p.quads, select(0u, p.quads, row < p.rows));
}

fn totalOf(v: vec4f) -> f32 { return subgroupAdd(v.x + v.y + v.z + v.w); }
fn widest(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn magnitude(v: vec4f) -> u32 {
  let bits = bitcast<vec4u>(v) & vec4u(0x7fffffffu);
  return max(max(bits.x, bits.y), max(bits.z, bits.w));
}
fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | min(p.zeroEmpty, 0u)); }
fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | min(p.zeroEmpty, 0u)); }

// What each exp(x − m) is multiplied by; with LOG what is subtracted.
fn scaleOf(most: f32, total: f32) -> f32 {
  if (most > -LOWEST) { return nan(); }
  if (total == 0.0) { return select(nan(), 0.0, p.zeroEmpty != 0u); }
  return select(1.0 / total, log(total), LOG);
}

// (m, Σ exp(x − m)) of a row; +Infinity as m where there is a NaN.
fn rowStats(at: Place) -> vec2f {
  var most = LOWEST;
  var total = vec4f();
  var bits = 0u;
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    let v = vec4f(x[at.base + j]);
    let next = max(most, widest(v));
    total = total * exp(most - next) + exp(v - next);
    most = next;
    bits = max(bits, magnitude(v));
  }
  let all = subgroupMax(most);
  let sum = totalOf(total * exp(most - all));
  return vec2f(select(all, infinity(), subgroupMax(bits) > 0x7f800000u), sum);
}

@compute @workgroup_size(128)
fn softmaxRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, lane, lanes);
  let found = rowStats(at);
  let scale = scaleOf(found.x, found.y);
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    let z = vec4f(x[at.base + j]) - found.x;
    if (LOG) { y[at.base + j] = vec4<T>(z - scale); } else { y[at.base + j] = vec4<T>(exp(z) * scale); }
  }
}

// exp of a logarithm of a probability; NaN stays NaN.
fn exp4(v: vec4f) -> vec4f { return select(exp(v), v, (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u)); }

@compute @workgroup_size(128)
fn softmaxGradRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, lane, lanes);
  var sum = vec4f();
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    if (LOG) { sum += vec4f(g[at.base + j]); } else { sum += vec4f(g[at.base + j]) * vec4f(probabilities[at.base + j]); }
  }
  let total = totalOf(sum);
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    let upstream = vec4f(g[at.base + j]);
    let s = vec4f(probabilities[at.base + j]);
    if (LOG) { y[at.base + j] = vec4<T>(upstream - exp4(s) * total); } else { y[at.base + j] = vec4<T>(s * (upstream - total)); }
  }
}

fn gammaOf(k: u32) -> vec4f { return select(vec4f(1.0), gamma[k], p.hasGamma != 0u); }
fn betaOf(k: u32) -> vec4f { return select(vec4f(0.0), beta[k], p.hasBeta != 0u); }

// (mean, 1/√(variance + ε)) of a row.
fn momentsOf(at: Place) -> vec2f {
  let count = 4.0 * f32(p.quads);
  var sum = vec4f();
  for (var j = at.lane; j < at.quads; j += at.lanes) { sum += vec4f(x[at.base + j]); }
  let mean = totalOf(sum) / count;
  var squares = vec4f();
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    let d = vec4f(x[at.base + j]) - mean;
    squares += d * d;
  }
  return vec2f(mean, inverseSqrt(totalOf(squares) / count + p.epsilon));
}

@compute @workgroup_size(128)
fn layerNormRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, lane, lanes);
  let m = momentsOf(at);
  if (at.lane == 0u && at.row < p.rows) { stats[at.row] = m; }
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    y[at.base + j] = vec4<T>((vec4f(x[at.base + j]) - m.x) * (gammaOf(j) * m.y) + betaOf(j));
  }
}

@compute @workgroup_size(128)
fn layerNormGradRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, lane, lanes);
  let m = savedStats[min(at.row, p.rows - 1u)];
  var a = vec4f();
  var b = vec4f();
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    let h = vec4f(g[at.base + j]) * gammaOf(j);
    a += h;
    b += h * (vec4f(x[at.base + j]) - m.x);
  }
  let count = 4.0 * f32(p.quads);
  let level = totalOf(a) / count;
  let slope = totalOf(b) * m.y * m.y / count;
  for (var j = at.lane; j < at.quads; j += at.lanes) {
    let h = vec4f(g[at.base + j]) * gammaOf(j);
    y[at.base + j] = vec4<T>(m.y * (h - level - (vec4f(x[at.base + j]) - m.x) * slope));
  }
}
