// y[n, i, j, c] = Σ_k a[n, i, k, c] · b[n, k, j, c]: a product of matrices for each channel, channels last.
// a [N, I, K, C] or [N, K, I, C], b [N, K, J, C] or [N, J, K, C] (by strides), y [N, I, J, C].
// A thread has 4 rows × 4 columns of y in four channels (`vectors`, C a multiple of 4) or one (`scalars`); adjacent
// threads have adjacent channels. Rows and columns past the last compute garbage, which is not stored.
alias T = f32; // of all tensors; products and sums are f32

struct ChannelParams {
  threads: u32,
  rows: u32, columns: u32, inner: u32, // I, J, K
  units: u32, // vectors or channels: strides below count them
  tilesI: u32, tilesJ: u32,
  aBatch: u32, aRow: u32, aInner: u32,
  bBatch: u32, bInner: u32, bColumn: u32,
}

@group(0) @binding(0) var<uniform> params: ChannelParams;
@group(0) @binding(1) var<storage, read> a: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> aScalar: array<T>;
@group(0) @binding(2) var<storage, read> b: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> bScalar: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(3) var<storage, read_write> yScalar: array<T>;

const FOUR = vec4u(0u, 1u, 2u, 3u);

// Where a tile lies: its first row and column, where the four rows of a and columns of b begin, and y[n, 0, 0, c].
struct Tile { row: u32, column: u32, aAt: vec4u, bAt: vec4u, yAt: u32 }

fn tileOf(thread: u32) -> Tile {
  let unit = thread % params.units;
  let j = thread / params.units;
  let i = j / params.tilesJ;
  let n = i / params.tilesI;
  let row = i % params.tilesI * 4u;
  let column = j % params.tilesJ * 4u;
  let rows = min(row + FOUR, vec4u(params.rows - 1u));
  let columns = min(column + FOUR, vec4u(params.columns - 1u));
  let aAt = n * params.aBatch + rows * params.aRow + unit;
  let bAt = n * params.bBatch + columns * params.bColumn + unit;
  return Tile(row, column, aAt, bAt, n * params.rows * params.columns * params.units + unit);
}

// s[j] + v · m[j], channel by channel.
fn more(s: mat4x4f, v: vec4f, m: mat4x4f) -> mat4x4f {
  return mat4x4f(s[0] + v * m[0], s[1] + v * m[1], s[2] + v * m[2], s[3] + v * m[3]);
}

fn storeRow(t: Tile, i: u32, s: mat4x4f) {
  if (t.row + i >= params.rows) { return; }
  let at = t.yAt + ((t.row + i) * params.columns + t.column) * params.units;
  y[at] = vec4<T>(s[0]);
  if (t.column + 1u < params.columns) { y[at + params.units] = vec4<T>(s[1]); }
  if (t.column + 2u < params.columns) { y[at + 2u * params.units] = vec4<T>(s[2]); }
  if (t.column + 3u < params.columns) { y[at + 3u * params.units] = vec4<T>(s[3]); }
}

@compute @workgroup_size(64)
fn vectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  if (thread >= params.threads) { return; }
  let t = tileOf(thread);
  var s0 = mat4x4f();
  var s1 = mat4x4f();
  var s2 = mat4x4f();
  var s3 = mat4x4f();
  for (var k = 0u; k < params.inner; k++) {
    let p = t.aAt + k * params.aInner;
    let q = t.bAt + k * params.bInner;
    let m = mat4x4f(vec4f(b[q.x]), vec4f(b[q.y]), vec4f(b[q.z]), vec4f(b[q.w]));
    s0 = more(s0, vec4f(a[p.x]), m);
    s1 = more(s1, vec4f(a[p.y]), m);
    s2 = more(s2, vec4f(a[p.z]), m);
    s3 = more(s3, vec4f(a[p.w]), m);
  }
  storeRow(t, 0u, s0);
  storeRow(t, 1u, s1);
  storeRow(t, 2u, s2);
  storeRow(t, 3u, s3);
}

fn storeScalars(t: Tile, i: u32, s: vec4f) {
  if (t.row + i >= params.rows) { return; }
  let at = t.yAt + ((t.row + i) * params.columns + t.column) * params.units;
  yScalar[at] = T(s.x);
  if (t.column + 1u < params.columns) { yScalar[at + params.units] = T(s.y); }
  if (t.column + 2u < params.columns) { yScalar[at + 2u * params.units] = T(s.z); }
  if (t.column + 3u < params.columns) { yScalar[at + 3u * params.units] = T(s.w); }
}

@compute @workgroup_size(64)
fn scalars(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  if (thread >= params.threads) { return; }
  let t = tileOf(thread);
  var s = mat4x4f(); // a row of y in each column
  for (var k = 0u; k < params.inner; k++) {
    let p = t.aAt + k * params.aInner;
    let q = t.bAt + k * params.bInner;
    let v = vec4f(vec4<T>(aScalar[p.x], aScalar[p.y], aScalar[p.z], aScalar[p.w]));
    let w = vec4f(vec4<T>(bScalar[q.x], bScalar[q.y], bScalar[q.z], bScalar[q.w]));
    s += mat4x4f(w * v.x, w * v.y, w * v.z, w * v.w);
  }
  storeScalars(t, 0u, s[0]);
  storeScalars(t, 1u, s[1]);
  storeScalars(t, 2u, s[2]);
  storeScalars(t, 3u, s[3]);
}
