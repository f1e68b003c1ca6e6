// Cross-entropy of a row x [n] with label l and smoothing ε, with z = x − max x and S = Σ exp z:
//   loss = log S − (1 − ε)·z_l − ε/n·Σ z,   dx = (exp z / S − (1 − ε)·[j = l] − ε/n)·g
// stats keeps (max x, S) of each row for the gradient; S is NaN for a row with NaN or +Infinity.
// A label outside 0 … n − 1 makes the loss and the gradient of its row NaN.
// threads…: a thread has one row. groups…: a workgroup of LANES threads has one row. …4: elements are vec4.
// smoothedLabels: a thread writes one element of (1 − ε)·[j = l] + ε/n.
// divergence: four elements a thread of t·(log t − x), or exp t·(t − x) with logTarget; 0 where the factor is 0.
alias T = f32; // of x and dx; losses are f32
override LANES: u32 = 64;
const LOWEST = -0x1.fffffep+127f;

struct LossParams { rows: u32, n: u32, smoothing: f32 }
struct DivergenceParams { vectors: u32, logTarget: u32 }
@group(0) @binding(0) var<uniform> p: LossParams;
@group(0) @binding(0) var<uniform> divergenceParams: DivergenceParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> target4: array<vec4<T>>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(3) var<storage, read> savedStats: array<vec2f>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<T>>;
@group(0) @binding(5) var<storage, read_write> dxScalar: array<T>;
var<workgroup> scratch: array<vec2f, LANES>;

fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | min(p.n, 0u)); }
fn magnitude(v: f32) -> u32 { return bitcast<u32>(v) & 0x7fffffffu; }
fn valid(label: i32) -> bool { return label >= 0 && u32(label) < p.n; }

fn widest(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn magnitude4(v: vec4f) -> vec4u { return bitcast<vec4u>(v) & vec4u(0x7fffffffu); }

// top: (max x, 1 where the row has a NaN or +Infinity); sums: (Σ exp z, Σ z).
struct RowStats { top: vec2f, sums: vec2f }

// What Σ z changes by, for a component that has seen j elements (top may be the lowest number before the first).
fn moved(j: u32, top: f32, next: f32) -> f32 { return select(f32(j) * (top - next), 0.0, j == 0u); }

// Of elements read once: what is summed so far is moved along whenever the maximum grows.
fn stats4(row: u32) -> RowStats {
  let quads = p.n / 4u;
  let base = row * quads;
  var top = LOWEST;
  var total = vec4f(0.0);
  var linear = vec4f(0.0);
  var bits = vec4u(0u);
  var j = 0u;
  for (; j + 4u <= quads; j += 4u) {
    let a = vec4f(x[base + j]);
    let b = vec4f(x[base + j + 1u]);
    let c = vec4f(x[base + j + 2u]);
    let d = vec4f(x[base + j + 3u]);
    bits = max(bits, max(max(magnitude4(a), magnitude4(b)), max(magnitude4(c), magnitude4(d))));
    let next = max(top, widest(max(max(a, b), max(c, d))));
    total = total * exp(top - next) + ((exp(a - next) + exp(b - next)) + (exp(c - next) + exp(d - next)));
    linear += moved(j, top, next) + (((a - next) + (b - next)) + ((c - next) + (d - next)));
    top = next;
  }
  for (; j < quads; j++) {
    let a = vec4f(x[base + j]);
    bits = max(bits, magnitude4(a));
    let next = max(top, widest(a));
    total = total * exp(top - next) + exp(a - next);
    linear += moved(j, top, next) + (a - next);
    top = next;
  }
  let bad = spoilt(top, max(max(bits.x, bits.y), max(bits.z, bits.w)));
  return RowStats(vec2f(top, bad), vec2f(dot(total, vec4f(1.0)), linear.x + linear.y + linear.z + linear.w));
}

fn spoilt(top: f32, bits: u32) -> f32 { return select(0.0, 1.0, top > -LOWEST || bits > 0x7f800000u); }

fn max1(row: u32, first: u32, step: u32) -> vec2f {
  var top = LOWEST;
  var bits = 0u;
  for (var j = first; j < p.n; j += step) {
    let v = f32(xScalar[row * p.n + j]);
    top = max(top, v);
    bits = max(bits, magnitude(v));
  }
  return vec2f(top, spoilt(top, bits));
}

fn sums1(row: u32, first: u32, step: u32, top: f32) -> vec2f {
  var total = vec2f(0.0);
  for (var j = first; j < p.n; j += step) {
    let z = f32(xScalar[row * p.n + j]) - top;
    total += vec2f(exp(z), z);
  }
  return total;
}

// Stores the loss of a row whose labelled element is xl.
fn finish(row: u32, top: vec2f, sums: vec2f, xl: f32) {
  let total = select(sums.x, nan(), top.y > 0.0 || sums.x == 0.0);
  stats[row] = vec2f(top.x, total);
  var loss = -(1.0 - p.smoothing) * (xl - top.x);
  if (p.smoothing > 0.0) { loss -= p.smoothing / f32(p.n) * sums.y; }
  loss += select(log(total), total, magnitude(total) > 0x7f800000u);
  losses[row] = select(nan(), loss, valid(labels[row]));
}

@compute @workgroup_size(64)
fn threads4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let found = stats4(row);
  let l = u32(clamp(labels[row], 0, i32(p.n) - 1));
  finish(row, found.top, found.sums, f32(x[(row * p.n + l) / 4u][l % 4u]));
}

@compute @workgroup_size(64)
fn threads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let top = max1(row, 0u, 1u);
  let l = u32(clamp(labels[row], 0, i32(p.n) - 1));
  finish(row, top, sums1(row, 0u, 1u, top.x), f32(xScalar[row * p.n + l]));
}

@compute @workgroup_size(LANES)
fn groups(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * count.x + id.x;
  if (row >= p.rows) { return; }
  scratch[lane] = max1(row, lane, LANES);
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) { scratch[lane] = max(scratch[lane], scratch[lane + half]); }
    workgroupBarrier();
  }
  let top = scratch[0];
  workgroupBarrier();
  scratch[lane] = sums1(row, lane, LANES, top.x);
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) { scratch[lane] += scratch[lane + half]; }
    workgroupBarrier();
  }
  if (lane == 0u) {
    let l = u32(clamp(labels[row], 0, i32(p.n) - 1));
    finish(row, top, scratch[0], f32(xScalar[row * p.n + l]));
  }
}

// The target of every element but the labelled one.
fn background(label: i32) -> f32 { return select(nan(), p.smoothing / f32(p.n), valid(label)); }

fn grad1(row: u32, first: u32, step: u32) {
  let s = savedStats[row];
  let label = labels[row];
  let low = background(label);
  let upstream = f32(g[row]);
  for (var j = first; j < p.n; j += step) {
    let wanted = low + select(0.0, 1.0 - p.smoothing, i32(j) == label);
    dxScalar[row * p.n + j] = T((exp(f32(xScalar[row * p.n + j]) - s.x) / s.y - wanted) * upstream);
  }
}

@compute @workgroup_size(64)
fn gradThreads4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row >= p.rows) { return; }
  let quads = p.n / 4u;
  let s = savedStats[row];
  let label = labels[row];
  let low = background(label);
  let upstream = f32(g[row]);
  for (var j = 0u; j < quads; j++) {
    let hit = vec4i(i32(4u * j)) + vec4i(0, 1, 2, 3) == vec4i(label);
    let wanted = low + select(vec4f(0.0), vec4f(1.0 - p.smoothing), hit);
    dx[row * quads + j] = vec4<T>((exp(vec4f(x[row * quads + j]) - s.x) / s.y - wanted) * upstream);
  }
}

@compute @workgroup_size(64)
fn gradThreads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let row = id.y * count.x * 64u + id.x;
  if (row < p.rows) { grad1(row, 0u, 1u); }
}

@compute @workgroup_size(LANES)
fn gradGroups(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * count.x + id.x;
  if (row < p.rows) { grad1(row, lane, LANES); }
}

@compute @workgroup_size(64)
fn smoothedLabels(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let i = id.y * count.x * 64u + id.x;
  let row = i / p.n;
  if (row >= p.rows) { return; }
  let label = labels[row];
  dxScalar[i] = T(background(label) + select(0.0, 1.0 - p.smoothing, i32(i % p.n) == label));
}

@compute @workgroup_size(64)
fn divergence(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let i = id.y * count.x * 64u + id.x;
  if (i >= divergenceParams.vectors) { return; }
  let t = vec4f(target4[i]);
  let isLog = divergenceParams.logTarget != 0u;
  let factor = select(t, exp(t), isLog);
  let difference = select(log(t), t, isLog) - vec4f(x[i]);
  dx[i] = vec4<T>(select(factor * difference, vec4f(0.0), factor == vec4f(0.0)));
}
