// o_i = Σ_j p_ij·v_j with p_ij = exp(s_ij − lse_i), s_ij = scale·(q_i · k_j) + mask_ij, lse_i = log Σ_j exp s_ij.
//   ds_ij = p_ij·(do_i · v_j − delta_i), delta_i = do_i · o_i;  dq = scale·ds·k, dk = scale·dsᵀ·q, dv = pᵀ·do.
// q, o [batch, rows, heads, D], k and v [batch, keys, heads, D] in vec4 (QUADS = D/4 of them), mask
// [batch, heads, rows, keys] through two strides, lse [batch, heads, rows], stats the same with pairs (lse, delta).
// first, second: o; dq; dk and dv.
// A workgroup has 4·BLOCKS rows (forward, queryGrad) or keys (keyGrad) of one head and walks through the other side
// STEP vectors at a time, which are staged in workgroup memory. A thread computes the scores of one of them with four
// of its own side, and after a barrier adds to the sums of four vectors and one vec4 of D: BLOCKS·QUADS threads.
// The running maximum moves only when a score exceeds it by SLACK: sums stay far from overflow, rescaling is rare.
// Loops run to p.quads and p.step, which equal QUADS and STEP: compilers that unroll them take minutes.
// A row without any key gives 0; its lse is the highest finite number, so that exp(s − lse) is 0 in the gradients.
alias T = f32;
override QUADS: u32 = 16;
override STEP: u32 = 16;
override WIDTH: u32 = 128;
const BLOCKS = 8u;
const LOWEST = -0x1.fffffep+127f;
const SLACK = 16.0;

struct AttentionParams {
  batch: u32, rows: u32, keys: u32, heads: u32, tiles: u32, hasMask: u32, maskBatch: u32, maskHead: u32, causal: u32,
  quads: u32, step: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> p: AttentionParams;
@group(0) @binding(1) var<storage, read> q: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> k: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> upstream: array<vec4<T>>;
@group(0) @binding(5) var<storage, read> mask: array<T>;
@group(0) @binding(6) var<storage, read> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;
@group(0) @binding(7) var<storage, read_write> first: array<vec4<T>>;
@group(0) @binding(8) var<storage, read_write> second: array<vec4<T>>;

// One element of padding a vector keeps threads that read different vectors on different banks.
var<workgroup> stageA: array<vec4f, STEP * (QUADS + 1u)>;
var<workgroup> stageB: array<vec4f, STEP * (QUADS + 1u)>;
var<workgroup> weights: array<vec4f, STEP * BLOCKS>;
var<workgroup> slopes: array<vec4f, STEP * BLOCKS>;
var<workgroup> tops: array<vec4f, BLOCKS>;

// Of each thread: batch and head, its block of four own vectors and its vec4 of D.
struct Place { batch: u32, head: u32, block: u32, quad: u32, maskBase: u32 }

fn placeOf(group: u32, lane: u32) -> Place {
  let batch = group / (p.tiles * p.heads);
  let head = group / p.tiles % p.heads;
  return Place(batch, head, lane / QUADS, lane % QUADS, batch * p.maskBatch + head * p.maskHead);
}

// The products of four own vectors with the staged ones.
fn queryKey(own: vec4u, staged: u32) -> vec4f {
  var s = vec4f(0.0);
  for (var d = 0u; d < p.quads; d++) {
    let y = stageA[staged + d];
    s += vec4f(dot(vec4f(q[own.x + d]), y), dot(vec4f(q[own.y + d]), y), dot(vec4f(q[own.z + d]), y), dot(vec4f(q[own.w + d]), y));
  }
  return s;
}

fn upstreamValue(own: vec4u, staged: u32) -> vec4f {
  var s = vec4f(0.0);
  for (var d = 0u; d < p.quads; d++) {
    let y = stageB[staged + d];
    s += vec4f(dot(vec4f(upstream[own.x + d]), y), dot(vec4f(upstream[own.y + d]), y), dot(vec4f(upstream[own.z + d]), y), dot(vec4f(upstream[own.w + d]), y));
  }
  return s;
}

fn keyQuery(own: vec4u, staged: u32) -> vec4f {
  var s = vec4f(0.0);
  for (var d = 0u; d < p.quads; d++) {
    let y = stageA[staged + d];
    s += vec4f(dot(vec4f(k[own.x + d]), y), dot(vec4f(k[own.y + d]), y), dot(vec4f(k[own.z + d]), y), dot(vec4f(k[own.w + d]), y));
  }
  return s;
}

fn valueUpstream(own: vec4u, staged: u32) -> vec4f {
  var s = vec4f(0.0);
  for (var d = 0u; d < p.quads; d++) {
    let y = stageB[staged + d];
    s += vec4f(dot(vec4f(v[own.x + d]), y), dot(vec4f(v[own.y + d]), y), dot(vec4f(v[own.z + d]), y), dot(vec4f(v[own.w + d]), y));
  }
  return s;
}

fn outer(y: vec4f, w: vec4f) -> mat4x4f { return mat4x4f(y * w.x, y * w.y, y * w.z, y * w.w); }

fn store(at: vec4u, row: u32, length: u32, m: mat4x4f) {
  if (row < length) { first[at.x] = vec4<T>(m[0]); }
  if (row + 1u < length) { first[at.y] = vec4<T>(m[1]); }
  if (row + 2u < length) { first[at.z] = vec4<T>(m[2]); }
  if (row + 3u < length) { first[at.w] = vec4<T>(m[3]); }
}

fn storeSecond(at: vec4u, row: u32, length: u32, m: mat4x4f) {
  if (row < length) { second[at.x] = vec4<T>(m[0]); }
  if (row + 1u < length) { second[at.y] = vec4<T>(m[1]); }
  if (row + 2u < length) { second[at.z] = vec4<T>(m[2]); }
  if (row + 3u < length) { second[at.w] = vec4<T>(m[3]); }
}

// The last key a row of the workgroup may look at.
fn endOfKeys(start: u32) -> u32 { return select(p.keys, min(p.keys, start + 4u * BLOCKS), p.causal != 0u); }

@compute @workgroup_size(WIDTH)
fn forward(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = id.y * groups.x + id.x;
  if (group >= p.batch * p.heads * p.tiles) { return; }
  let at = placeOf(group, lane);
  let start = group % p.tiles * 4u * BLOCKS;
  let row = start + 4u * at.block;
  var sum = mat4x4f();
  var most = vec4f(LOWEST);
  var total = vec4f(0.0);
  var bits = vec4u(0u);
  for (var j = 0u; j < endOfKeys(start); j += STEP) {
    for (var i = lane; i < STEP * QUADS; i += WIDTH) {
      stageA[i / QUADS * (QUADS + 1u) + i % QUADS] = vec4f(k[address(at.batch, at.head, j + i / QUADS, p.keys) + i % QUADS]);
    }
    workgroupBarrier();
    for (var u = lane; u < STEP * BLOCKS; u += WIDTH) {
      let own = fourAddresses(at.batch, at.head, start + 4u * (u / STEP), p.rows);
      let s = p.scale * queryKey(own, u % STEP * (QUADS + 1u));
      weights[u % STEP * BLOCKS + u / STEP] = s + biases(at.maskBase, start + 4u * (u / STEP), j + u % STEP, vec2u(1u, 0u));
    }
    workgroupBarrier();
    var top = vec4f(LOWEST);
    for (var i = 0u; i < p.step; i++) {
      let s = weights[i * BLOCKS + at.block];
      top = max(top, s);
      bits = max(bits, nanBits(s));
    }
    if (any(top > most + SLACK)) {
      let next = max(most, top);
      let c = exp(most - next);
      total *= c;
      sum = mat4x4f(sum[0] * c.x, sum[1] * c.y, sum[2] * c.z, sum[3] * c.w);
      most = next;
    }
    if (at.quad == 0u) { tops[at.block] = most; }
    workgroupBarrier();
    for (var u = lane; u < STEP * BLOCKS; u += WIDTH) {
      let w = u % STEP * BLOCKS + u / STEP;
      weights[w] = exp(weights[w] - tops[u / STEP]);
    }
    workgroupBarrier();
    for (var i = 0u; i < p.step; i++) {
      let w = weights[i * BLOCKS + at.block];
      total += w;
      sum += outer(vec4f(v[address(at.batch, at.head, j + i, p.keys) + at.quad]), w);
    }
    workgroupBarrier();
  }
  let bad = (bits > vec4u(0x7f800000u)) | (most > vec4f(-LOWEST));
  let c = share(total, bad);
  let l = level(most, total, bad);
  let own = fourAddresses(at.batch, at.head, row, p.rows) + at.quad;
  store(own, row, p.rows, mat4x4f(sum[0] * c.x, sum[1] * c.y, sum[2] * c.z, sum[3] * c.w));
  for (var r = 0u; r < 4u; r++) {
    if (at.quad == 0u && row + r < p.rows) { lse[(at.batch * p.heads + at.head) * p.rows + row + r] = l[r]; }
  }
}

@compute @workgroup_size(WIDTH)
fn queryGrad(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = id.y * groups.x + id.x;
  if (group >= p.batch * p.heads * p.tiles) { return; }
  let at = placeOf(group, lane);
  let start = group % p.tiles * 4u * BLOCKS;
  let row = start + 4u * at.block;
  var sum = mat4x4f();
  for (var j = 0u; j < endOfKeys(start); j += STEP) {
    for (var i = lane; i < STEP * QUADS; i += WIDTH) {
      let source = address(at.batch, at.head, j + i / QUADS, p.keys) + i % QUADS;
      stageA[i / QUADS * (QUADS + 1u) + i % QUADS] = vec4f(k[source]);
      stageB[i / QUADS * (QUADS + 1u) + i % QUADS] = vec4f(v[source]);
    }
    workgroupBarrier();
    for (var u = lane; u < STEP * BLOCKS; u += WIDTH) {
      let r = start + 4u * (u / STEP);
      let own = fourAddresses(at.batch, at.head, r, p.rows);
      let staged = u % STEP * (QUADS + 1u);
      let s = p.scale * queryKey(own, staged) + biases(at.maskBase, r, j + u % STEP, vec2u(1u, 0u));
      let four = mat4x2f(statsOf(at.batch, at.head, r), statsOf(at.batch, at.head, r + 1u), statsOf(at.batch, at.head, r + 2u), statsOf(at.batch, at.head, r + 3u));
      let known = transpose(four);
      slopes[u % STEP * BLOCKS + u / STEP] = exp(s - known[0]) * (upstreamValue(own, staged) - known[1]);
    }
    workgroupBarrier();
    for (var i = 0u; i < p.step; i++) {
      sum += outer(stageA[i * (QUADS + 1u) + at.quad], slopes[i * BLOCKS + at.block]);
    }
    workgroupBarrier();
  }
  store(fourAddresses(at.batch, at.head, row, p.rows) + at.quad, row, p.rows, p.scale * sum);
}

@compute @workgroup_size(WIDTH)
fn keyGrad(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = id.y * groups.x + id.x;
  if (group >= p.batch * p.heads * p.tiles) { return; }
  let at = placeOf(group, lane);
  let start = group % p.tiles * 4u * BLOCKS;
  let key = start + 4u * at.block;
  var keySum = mat4x4f();
  var valueSum = mat4x4f();
  // With a causal mask, rows before the first own key do not look at it.
  for (var j = select(0u, start, p.causal != 0u); j < p.rows; j += STEP) {
    for (var i = lane; i < STEP * QUADS; i += WIDTH) {
      let source = address(at.batch, at.head, j + i / QUADS, p.rows) + i % QUADS;
      stageA[i / QUADS * (QUADS + 1u) + i % QUADS] = vec4f(q[source]);
      stageB[i / QUADS * (QUADS + 1u) + i % QUADS] = vec4f(upstream[source]);
    }
    workgroupBarrier();
    for (var u = lane; u < STEP * BLOCKS; u += WIDTH) {
      let r = j + u % STEP;
      let own = fourAddresses(at.batch, at.head, start + 4u * (u / STEP), p.keys);
      let staged = u % STEP * (QUADS + 1u);
      let s = p.scale * keyQuery(own, staged) + biases(at.maskBase, r, start + 4u * (u / STEP), vec2u(0u, 1u));
      let known = statsOf(at.batch, at.head, r);
      let w = exp(s - known.x);
      weights[u % STEP * BLOCKS + u / STEP] = w;
      slopes[u % STEP * BLOCKS + u / STEP] = w * (valueUpstream(own, staged) - known.y);
    }
    workgroupBarrier();
    for (var i = 0u; i < p.step; i++) {
      keySum += outer(stageA[i * (QUADS + 1u) + at.quad], slopes[i * BLOCKS + at.block]);
      valueSum += outer(stageB[i * (QUADS + 1u) + at.quad], weights[i * BLOCKS + at.block]);
    }
    workgroupBarrier();
  }
  let own = fourAddresses(at.batch, at.head, key, p.keys) + at.quad;
  store(own, key, p.keys, p.scale * keySum);
  storeSecond(own, key, p.keys, valueSum);
}

// stats = (lse, Σ do·o); a thread has one row of one head.
struct StatsParams { batch: u32, rows: u32, heads: u32, quads: u32 }
@group(0) @binding(0) var<uniform> statsParams: StatsParams;
@group(0) @binding(1) var<storage, read> result: array<vec4<T>>;
@group(0) @binding(6) var<storage, read> savedLse: array<f32>;
@group(0) @binding(7) var<storage, read_write> statsOut: array<vec2f>;

@compute @workgroup_size(64)
fn rowStats(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let row = i % statsParams.rows;
  let head = i / statsParams.rows % statsParams.heads;
  let batch = i / (statsParams.rows * statsParams.heads);
  if (batch >= statsParams.batch) { return; }
  let at = ((batch * statsParams.rows + row) * statsParams.heads + head) * statsParams.quads;
  var delta = 0.0;
  for (var d = 0u; d < statsParams.quads; d++) { delta += dot(vec4f(result[at + d]), vec4f(upstream[at + d])); }
  statsOut[i] = vec2f(savedLse[i], delta);
}

fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | min(p.keys, 0u)); }
fn nan() -> f32 { return bitcast<f32>(0x7fc00000u | min(p.keys, 0u)); }
fn nanBits(s: vec4f) -> vec4u { return bitcast<vec4u>(s) & vec4u(0x7fffffffu); }

// Where the vector `at` (a row or a key, of `length`) of a head starts.
fn address(batch: u32, head: u32, at: u32, length: u32) -> u32 {
  return ((batch * length + min(at, length - 1u)) * p.heads + head) * QUADS;
}

fn fourAddresses(batch: u32, head: u32, at: u32, length: u32) -> vec4u {
  return vec4u(
    address(batch, head, at, length), address(batch, head, at + 1u, length),
    address(batch, head, at + 2u, length), address(batch, head, at + 3u, length));
}

// What is added to the score of a row and a key; −Infinity where there is none.
fn bias(base: u32, row: u32, key: u32) -> f32 {
  var b = 0.0;
  if (p.hasMask != 0u) { b = f32(mask[base + min(row, p.rows - 1u) * p.keys + min(key, p.keys - 1u)]); }
  return select(b, -infinity(), key >= p.keys || row >= p.rows || (p.causal != 0u && key > row));
}

// The same for four rows and a key, or a row and four keys.
fn biases(base: u32, row: u32, key: u32, across: vec2u) -> vec4f {
  return vec4f(
    bias(base, row, key), bias(base, row + across.x, key + across.y),
    bias(base, row + 2u * across.x, key + 2u * across.y), bias(base, row + 3u * across.x, key + 3u * across.y));
}

fn statsOf(batch: u32, head: u32, row: u32) -> vec2f {
  return stats[(batch * p.heads + head) * p.rows + min(row, p.rows - 1u)];
}

// What a finished sum is multiplied by, and the log-sum-exp; 0 without a key, NaN after a NaN or +Infinity.
fn share(total: vec4f, bad: vec4<bool>) -> vec4f {
  return select(select(1.0 / total, vec4f(0.0), total == vec4f(0.0)), vec4f(nan()), bad);
}

fn level(most: vec4f, total: vec4f, bad: vec4<bool>) -> vec4f {
  return select(select(most + log(total), vec4f(-LOWEST), total == vec4f(0.0)), vec4f(nan()), bad);
}
