enable subgroups;
// Formulas and layouts as in attention.wgsl. For adapters on which registers and exchanges within a subgroup are cheap
// and everything else is dear (both software adapters): no workgroup memory, no barrier, every index a constant.
// The four threads of a quad share eight rows (forward), four rows (queryGrad) or four keys (keyGrad) of one head;
// thread t has the vec4 t, t + 4, … of each, TILE_PARTS = D/16 ≤ 4 of them, and they walk through the other side four
// vectors at a time. Partial scores are summed crosswise, so that thread t ends with the scores of the t-th vector and
// each exponential is taken once.
alias T = f32;
const TILE_PARTS = 4u;
override WIDTH: u32 = 64;
const QUADS = 4u * TILE_PARTS;
const LOWEST = -0x1.fffffep+127f;
const SLACK = 16.0;

struct AttentionParams {
  batch: u32, rows: u32, keys: u32, heads: u32, tiles: u32, hasMask: u32, maskBatch: u32, maskHead: u32, causal: u32,
  scale: f32,
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

const Q = 0u;
const K = 1u;
const V = 2u;
const UPSTREAM = 3u;

// A thread's share of four vectors. Members with a name, not an array, so that all of it can be in registers.
struct Block { a: mat4x4f, b: mat4x4f, c: mat4x4f, d: mat4x4f }

// `which` is always a constant.
fn element(which: u32, at: u32) -> vec4f {
  if (which == Q) { return vec4f(q[at]); }
  if (which == K) { return vec4f(k[at]); }
  if (which == V) { return vec4f(v[at]); }
  return vec4f(upstream[at]);
}

fn columns(which: u32, at: vec4u) -> mat4x4f {
  return mat4x4f(element(which, at.x), element(which, at.y), element(which, at.z), element(which, at.w));
}

fn load(which: u32, at: vec4u) -> Block {
  var x: Block;
  x.a = columns(which, at);
  if (TILE_PARTS > 1u) { x.b = columns(which, at + 4u); }
  if (TILE_PARTS > 2u) { x.c = columns(which, at + 8u); }
  if (TILE_PARTS > 3u) { x.d = columns(which, at + 12u); }
  return x;
}

// This thread's share of the dot products: column j holds those of vector j of y with the four of x.
fn dots(x: Block, y: Block) -> mat4x4f {
  var s = transpose(x.a) * y.a;
  if (TILE_PARTS > 1u) { s += transpose(x.b) * y.b; }
  if (TILE_PARTS > 2u) { s += transpose(x.c) * y.c; }
  if (TILE_PARTS > 3u) { s += transpose(x.d) * y.d; }
  return s;
}

// x + y·wᵀ: column r gains Σ_j w_rj·y_j, thread j giving the weights w_·j.
fn gained(x: Block, y: Block, weight: vec4f) -> Block {
  let w = transpose(mat4x4f(quadBroadcast(weight, 0u), quadBroadcast(weight, 1u), quadBroadcast(weight, 2u), quadBroadcast(weight, 3u)));
  var z = x;
  z.a += y.a * w;
  if (TILE_PARTS > 1u) { z.b += y.b * w; }
  if (TILE_PARTS > 2u) { z.c += y.c * w; }
  if (TILE_PARTS > 3u) { z.d += y.d * w; }
  return z;
}

fn scaledColumns(m: mat4x4f, c: vec4f) -> mat4x4f { return mat4x4f(m[0] * c.x, m[1] * c.y, m[2] * c.z, m[3] * c.w); }

fn scaled(x: Block, c: vec4f) -> Block {
  return Block(scaledColumns(x.a, c), scaledColumns(x.b, c), scaledColumns(x.c, c), scaledColumns(x.d, c));
}

// The sum of column t over the quad, in thread t.
fn crossSum(s: mat4x4f, t: u32) -> vec4f {
  let odd = (t & 1u) != 0u;
  let low = select(s[0], s[1], odd) + quadSwapX(select(s[1], s[0], odd));
  let high = select(s[2], s[3], odd) + quadSwapX(select(s[3], s[2], odd));
  let upper = (t & 2u) != 0u;
  return select(low, high, upper) + quadSwapY(select(high, low, upper));
}

fn quadMax(x: vec4f) -> vec4f {
  let y = max(x, quadSwapX(x));
  return max(y, quadSwapY(y));
}

fn quadSum(x: vec4f) -> vec4f {
  let y = x + quadSwapX(x);
  return y + quadSwapY(y);
}

// Of each quad: batch and head, the first of its own vectors, and the thread's number in it.
struct Place { batch: u32, head: u32, own: u32, t: u32, maskBase: u32 }

fn placeOf(group: u32, quad: u32, t: u32, size: u32) -> Place {
  let batch = group / (p.tiles * p.heads);
  let head = group / p.tiles % p.heads;
  let own = (group % p.tiles * (WIDTH / 4u) + quad) * size;
  return Place(batch, head, own, t, batch * p.maskBatch + head * p.maskHead);
}

fn storeColumns(at: vec4u, row: u32, length: u32, m: mat4x4f) {
  if (row < length) { first[at.x] = vec4<T>(m[0]); }
  if (row + 1u < length) { first[at.y] = vec4<T>(m[1]); }
  if (row + 2u < length) { first[at.z] = vec4<T>(m[2]); }
  if (row + 3u < length) { first[at.w] = vec4<T>(m[3]); }
}

fn store(at: vec4u, row: u32, length: u32, x: Block) {
  storeColumns(at, row, length, x.a);
  if (TILE_PARTS > 1u) { storeColumns(at + 4u, row, length, x.b); }
  if (TILE_PARTS > 2u) { storeColumns(at + 8u, row, length, x.c); }
  if (TILE_PARTS > 3u) { storeColumns(at + 12u, row, length, x.d); }
}

fn storeSecondColumns(at: vec4u, row: u32, length: u32, m: mat4x4f) {
  if (row < length) { second[at.x] = vec4<T>(m[0]); }
  if (row + 1u < length) { second[at.y] = vec4<T>(m[1]); }
  if (row + 2u < length) { second[at.z] = vec4<T>(m[2]); }
  if (row + 3u < length) { second[at.w] = vec4<T>(m[3]); }
}

fn storeSecond(at: vec4u, row: u32, length: u32, x: Block) {
  storeSecondColumns(at, row, length, x.a);
  if (TILE_PARTS > 1u) { storeSecondColumns(at + 4u, row, length, x.b); }
  if (TILE_PARTS > 2u) { storeSecondColumns(at + 8u, row, length, x.c); }
  if (TILE_PARTS > 3u) { storeSecondColumns(at + 12u, row, length, x.d); }
}

// The running softmax of four rows: the sum over keys, and per row the maximum, Σ exp (of this thread's keys) and |s|.
struct Rows { sum: Block, most: vec4f, total: vec4f, bits: vec4u }

// Moves the maximum where a score exceeds it by far.
fn raised(x: Rows, s: vec4f) -> Rows {
  var y = x;
  y.bits = max(x.bits, nanBits(s));
  let top = quadMax(s);
  if (any(top > x.most + SLACK)) {
    y.most = max(x.most, top);
    let c = exp(x.most - y.most);
    y.total = x.total * c;
    y.sum = scaled(x.sum, c);
  }
  return y;
}

fn storeRows(at: Place, row: u32, own: vec4u, x: Rows) {
  let total = quadSum(x.total);
  let spoilt = (x.bits > vec4u(0x7f800000u)) | (x.most > vec4f(-LOWEST));
  let bad = quadMax(select(vec4f(0.0), vec4f(1.0), spoilt)) > vec4f(0.0);
  let l = level(x.most, total, bad);
  if (row + at.t < p.rows) { lse[(at.batch * p.heads + at.head) * p.rows + row + at.t] = l[at.t]; }
  store(own, row, p.rows, scaled(x.sum, share(total, bad)));
}

@compute @workgroup_size(WIDTH)
fn forward(
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let group = id.y * groups.x + id.x;
  if (group >= p.batch * p.heads * p.tiles) { return; }
  let at = placeOf(group, quadBroadcast(lane, 0u) / 4u, subgroupLane & 3u, 8u);
  let ownA = fourAddresses(at.batch, at.head, at.own, p.rows) + at.t;
  let ownB = fourAddresses(at.batch, at.head, at.own + 4u, p.rows) + at.t;
  let queryA = load(Q, ownA);
  let queryB = load(Q, ownB);
  var a: Rows;
  var b: Rows;
  a.most = vec4f(LOWEST);
  b.most = vec4f(LOWEST);
  let end = select(p.keys, min(p.keys, (group % p.tiles + 1u) * 2u * WIDTH), p.causal != 0u);
  for (var j = 0u; j < end; j += 4u) {
    let source = fourAddresses(at.batch, at.head, j, p.keys) + at.t;
    let keys = load(K, source);
    let sA = p.scale * crossSum(dots(queryA, keys), at.t) + biases(at.maskBase, at.own, j + at.t, vec2u(1u, 0u));
    let sB = p.scale * crossSum(dots(queryB, keys), at.t) + biases(at.maskBase, at.own + 4u, j + at.t, vec2u(1u, 0u));
    a = raised(a, sA);
    b = raised(b, sB);
    let weightA = exp(sA - a.most);
    let weightB = exp(sB - b.most);
    a.total += weightA;
    b.total += weightB;
    let values = load(V, source);
    a.sum = gained(a.sum, values, weightA);
    b.sum = gained(b.sum, values, weightB);
  }
  storeRows(at, at.own, ownA, a);
  storeRows(at, at.own + 4u, ownB, b);
}

@compute @workgroup_size(WIDTH)
fn queryGrad(
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let group = id.y * groups.x + id.x;
  if (group >= p.batch * p.heads * p.tiles) { return; }
  let at = placeOf(group, quadBroadcast(lane, 0u) / 4u, subgroupLane & 3u, 4u);
  let own = fourAddresses(at.batch, at.head, at.own, p.rows) + at.t;
  let query = load(Q, own);
  let above = load(UPSTREAM, own);
  let four = mat4x2f(
    statsOf(at.batch, at.head, at.own), statsOf(at.batch, at.head, at.own + 1u),
    statsOf(at.batch, at.head, at.own + 2u), statsOf(at.batch, at.head, at.own + 3u));
  let known = transpose(four);
  var sum: Block;
  let end = select(p.keys, min(p.keys, (group % p.tiles + 1u) * WIDTH), p.causal != 0u);
  for (var j = 0u; j < end; j += 4u) {
    let source = fourAddresses(at.batch, at.head, j, p.keys) + at.t;
    let keys = load(K, source);
    let s = p.scale * crossSum(dots(query, keys), at.t) + biases(at.maskBase, at.own, j + at.t, vec2u(1u, 0u));
    let product = crossSum(dots(above, load(V, source)), at.t);
    sum = gained(sum, keys, exp(s - known[0]) * (product - known[1]));
  }
  store(own, at.own, p.rows, scaled(sum, vec4f(p.scale)));
}

@compute @workgroup_size(WIDTH)
fn keyGrad(
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let group = id.y * groups.x + id.x;
  if (group >= p.batch * p.heads * p.tiles) { return; }
  let at = placeOf(group, quadBroadcast(lane, 0u) / 4u, subgroupLane & 3u, 4u);
  let own = fourAddresses(at.batch, at.head, at.own, p.keys) + at.t;
  let key = load(K, own);
  let value = load(V, own);
  var keySum: Block;
  var valueSum: Block;
  // With a causal mask, rows before the first key of the workgroup look at none of its keys.
  for (var j = select(0u, group % p.tiles * WIDTH, p.causal != 0u); j < p.rows; j += 4u) {
    let source = fourAddresses(at.batch, at.head, j, p.rows) + at.t;
    let known = statsOf(at.batch, at.head, j + at.t);
    let query = load(Q, source);
    let s = p.scale * crossSum(dots(key, query), at.t) + biases(at.maskBase, j + at.t, at.own, vec2u(0u, 1u));
    let weight = exp(s - known.x);
    let above = load(UPSTREAM, source);
    let product = crossSum(dots(value, above), at.t);
    valueSum = gained(valueSum, above, weight);
    keySum = gained(keySum, query, weight * (product - known.y));
  }
  store(own, at.own, p.keys, scaled(keySum, vec4f(p.scale)));
  storeSecond(own, at.own, p.keys, valueSum);
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
