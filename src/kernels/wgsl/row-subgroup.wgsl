enable subgroups;
// Softmax and layer normalisation of rows of 4·quads elements, with the formulas of softmax.wgsl and group-norm.wgsl. A subgroup
// has a row, so there is neither workgroup memory nor a barrier: for GPUs, where rows are of some thousand elements at most.
// How large a subgroup is only the adapter knows: the rows are dealt out in turns, as many for each subgroup.
alias T = f32; // of x, y, g and saved; what belongs to a channel is f32
override LOG: bool = false;
const LOWEST = -0x1.fffffep+127f;

struct RowParams { rows: u32, quads: u32, zeroEmpty: u32, hasGamma: u32, hasBeta: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: RowParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> saved: array<vec4<T>>; // the result of softmax; for the gradient of layerNorm, g
@group(0) @binding(4) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(5) var<storage, read> beta: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read> savedStats: array<vec2f>;

// What a thread knows of its subgroup: its place in it, the subgroup's first row, and how many rows are taken in a turn.
struct Place { lane: u32, lanes: u32, row: u32, pace: u32 }

fn placeOf(thread: u32, group: u32, groups: u32, lane: u32, lanes: u32) -> Place {
  let inGroup = 128u / lanes;
  return Place(lane, lanes, group * inGroup + subgroupMin(thread) / lanes, groups * inGroup);
}

// Apart from the above, so that a compiler sees that it is the same for all lanes.
fn turnsOf(groups: u32, lanes: u32) -> u32 {
  let pace = groups * (128u / lanes);
  return (p.rows + pace - 1u) / pace;
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
fn rowStats(base: u32, at: Place) -> vec2f {
  var most = LOWEST;
  var total = vec4f();
  var bits = 0u;
  for (var j = at.lane; j < p.quads; j += at.lanes) {
    let v = vec4f(x[base + j]);
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
  let at = placeOf(thread, id.y * groups.x + id.x, groups.x * groups.y, lane, lanes);
  let turns = turnsOf(groups.x * groups.y, lanes);
  for (var turn = 0u; turn < turns; turn++) {
    let row = at.row + turn * at.pace;
    let base = min(row, p.rows - 1u) * p.quads;
    let found = rowStats(base, at);
    let scale = scaleOf(found.x, found.y);
    for (var j = at.lane; j < p.quads && row < p.rows; j += at.lanes) {
      let z = vec4f(x[base + j]) - found.x;
      if (LOG) { y[base + j] = vec4<T>(z - scale); } else { y[base + j] = vec4<T>(exp(z) * scale); }
    }
  }
}

// exp of a logarithm of a probability; NaN stays NaN.
fn exp4(v: vec4f) -> vec4f { return select(exp(v), v, (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u)); }

@compute @workgroup_size(128)
fn softmaxGradRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, groups.x * groups.y, lane, lanes);
  let turns = turnsOf(groups.x * groups.y, lanes);
  for (var turn = 0u; turn < turns; turn++) {
    let row = at.row + turn * at.pace;
    let base = min(row, p.rows - 1u) * p.quads;
    var sum = vec4f();
    for (var j = at.lane; j < p.quads; j += at.lanes) {
      if (LOG) { sum += vec4f(x[base + j]); } else { sum += vec4f(x[base + j]) * vec4f(saved[base + j]); }
    }
    let total = totalOf(sum);
    for (var j = at.lane; j < p.quads && row < p.rows; j += at.lanes) {
      let g = vec4f(x[base + j]);
      let s = vec4f(saved[base + j]);
      if (LOG) { y[base + j] = vec4<T>(g - exp4(s) * total); } else { y[base + j] = vec4<T>(s * (g - total)); }
    }
  }
}

fn gammaOf(k: u32) -> vec4f { return select(vec4f(1.0), gamma[k], p.hasGamma != 0u); }
fn betaOf(k: u32) -> vec4f { return select(vec4f(0.0), beta[k], p.hasBeta != 0u); }

// (mean, 1/√(variance + ε)) of a row.
fn momentsOf(base: u32, at: Place) -> vec2f {
  let count = 4.0 * f32(p.quads);
  var sum = vec4f();
  for (var j = at.lane; j < p.quads; j += at.lanes) { sum += vec4f(x[base + j]); }
  let mean = totalOf(sum) / count;
  var squares = vec4f();
  for (var j = at.lane; j < p.quads; j += at.lanes) {
    let d = vec4f(x[base + j]) - mean;
    squares += d * d;
  }
  return vec2f(mean, inverseSqrt(totalOf(squares) / count + p.epsilon));
}

@compute @workgroup_size(128)
fn layerNormRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, groups.x * groups.y, lane, lanes);
  let turns = turnsOf(groups.x * groups.y, lanes);
  for (var turn = 0u; turn < turns; turn++) {
    let row = at.row + turn * at.pace;
    let base = min(row, p.rows - 1u) * p.quads;
    let m = momentsOf(base, at);
    if (at.lane == 0u && row < p.rows) { stats[row] = m; }
    for (var j = at.lane; j < p.quads && row < p.rows; j += at.lanes) {
      y[base + j] = vec4<T>((vec4f(x[base + j]) - m.x) * (gammaOf(j) * m.y) + betaOf(j));
    }
  }
}

@compute @workgroup_size(128)
fn layerNormGradRows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let at = placeOf(thread, id.y * groups.x + id.x, groups.x * groups.y, lane, lanes);
  let turns = turnsOf(groups.x * groups.y, lanes);
  for (var turn = 0u; turn < turns; turn++) {
    let row = at.row + turn * at.pace;
    let base = min(row, p.rows - 1u) * p.quads;
    let m = savedStats[min(row, p.rows - 1u)];
    var a = vec4f();
    var b = vec4f();
    for (var j = at.lane; j < p.quads; j += at.lanes) {
      let h = vec4f(saved[base + j]) * gammaOf(j);
      a += h;
      b += h * (vec4f(x[base + j]) - m.x);
    }
    let count = 4.0 * f32(p.quads);
    let level = totalOf(a) / count;
    let slope = totalOf(b) * m.y * m.y / count;
    for (var j = at.lane; j < p.quads && row < p.rows; j += at.lanes) {
      let h = vec4f(saved[base + j]) * gammaOf(j);
      y[base + j] = vec4<T>(m.y * (h - level - (vec4f(x[base + j]) - m.x) * slope));
    }
  }
}
