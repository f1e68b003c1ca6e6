enable subgroups;
// As conv.wgsl, but the lanes of a quad (4 consecutive lanes) share the weights: each loads one vector of a block, and
// quadBroadcast passes it on. Only bBlock and inQuads differ.
alias T = f32; // of all tensors; products and sums are f32

struct ConvParams {
  rows: u32, tilesM: u32, tilesN: u32, tiles: u32, phases: u32, groupsPerPhase: u32,
  depth: u32, columns: u32, xChannels: u32, yChannels: u32, // of a group; of all
  qD: u32, qH: u32, qW: u32, // positions of a phase
  xD: u32, xH: u32, xW: u32,
  yD: u32, yH: u32, yW: u32,
  kD: u32, kH: u32, kW: u32,
  strideD: u32, strideH: u32, strideW: u32,
  padD: u32, padH: u32, padW: u32,
  dilationD: u32, dilationH: u32, dilationW: u32,
  tapsD: u32, tapsH: u32, tapsW: u32, // from one tap of a phase to its next
  hopD: u32, hopH: u32, hopW: u32, // and from its input to the next one's, modulo 2³²
  vectors: u32, // 4 · COLS
  slope: f32,
}

override INPUT_GRAD: bool = false;
override ROW_TAPS: bool = false; // forward only: kW is 1, and depth covers all taps along W
override VEC_DEPTH: bool = true; // depth is a multiple of 4
override VEC_COLUMNS: bool = true;
override COLS: u32 = 4u; // blocks in a tile: 1, 2 or 4
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u; // 0 none, 1 relu, 2 leakyRelu

@group(0) @binding(0) var<uniform> params: ConvParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> xScalar: array<T>; // x again
@group(0) @binding(3) var<storage, read> w: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> wScalar: array<T>; // w again
@group(0) @binding(5) var<storage, read> bias: array<T>;
@group(0) @binding(7) var<storage, read> residual: array<T>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(6) var<storage, read_write> yScalar: array<T>;

const ROWS = vec4u(0u, 1u, 2u, 3u);

var<private> lane: u32;
var<private> col: u32; // in the group
var<private> channel: u32; // of y, the group's first
var<private> yAt: vec4u; // where the four positions are stored, in pixels
var<private> stored: vec4<bool>;
var<private> xAt: vec4u; // where the four positions' inputs for this tap are (or would be, in the padding)
var<private> low: vec4u; // the first element there that is not in the padding,
var<private> span: vec4u; // and how many there are
var<private> wAt: u32; // of this tap

fn xVector(i: u32, c: u32, first: u32, count: u32) -> vec4f {
  if (VEC_DEPTH) { return select(vec4f(), vec4f(x[(i + c) / 4u]), c - first < count); }
  let at = i + c;
  let values = vec4f(vec4<T>(xScalar[at], xScalar[at + 1u], xScalar[at + 2u], xScalar[at + 3u]));
  return select(vec4f(), values, vec4u(c - first) + ROWS < vec4u(count));
}

fn xBlock(c: u32) -> mat4x4f {
  return mat4x4f(
    xVector(xAt.x, c, low.x, span.x), xVector(xAt.y, c, low.y, span.y),
    xVector(xAt.z, c, low.z, span.z), xVector(xAt.w, c, low.w, span.w));
}

// Vector r, as it lies in memory, of the block of weights j columns behind the tile's first.
fn bPart(k: u32, j: u32, r: u32) -> vec4f {
  let row = select(k, col + j, INPUT_GRAD) + r;
  let column = select(col + j, k, INPUT_GRAD);
  let i = wAt + row * select(params.yChannels, params.xChannels, INPUT_GRAD) + column;
  if (select(VEC_COLUMNS, VEC_DEPTH, INPUT_GRAD)) {
    if (VEC_DEPTH) { return vec4f(w[i / 4u]); }
    return select(vec4f(), vec4f(w[i / 4u]), k + r < params.depth);
  }
  let values = vec4f(vec4<T>(wScalar[i], wScalar[i + 1u], wScalar[i + 2u], wScalar[i + 3u]));
  if (VEC_DEPTH) { return values; }
  return select(vec4f(), values, select(vec4u(k + r), vec4u(k) + ROWS, vec4<bool>(INPUT_GRAD)) < vec4u(params.depth));
}

fn bBlock(k: u32, j: u32) -> mat4x4f {
  let own = bPart(k, j, lane);
  let block = mat4x4f(quadBroadcast(own, 0u), quadBroadcast(own, 1u), quadBroadcast(own, 2u), quadBroadcast(own, 3u));
  if (INPUT_GRAD) { return transpose(block); }
  return block;
}

// The first tap that a phase has along an axis, and how far its input is from q times the pace, modulo 2³².
struct Taps { first: u32, shift: u32 }

fn tapsOf(residue: u32, kernel: u32, stride: u32, pad: u32, dilation: u32, period: u32) -> Taps {
  if (!INPUT_GRAD) { return Taps(0u, 0u - pad); }
  let reach = kernel * dilation; // keeps the dividend positive
  for (var tap = 0u; tap < min(period, kernel); tap++) {
    let dividend = residue + pad + reach * stride - tap * dilation;
    if (dividend % stride == 0u) { return Taps(tap, dividend / stride - reach); }
  }
  return Taps(kernel, 0u);
}

// Where the inputs for a tap lie in a row of x that is at `row` and inside the image or not; v is the column, or the
// first one for ROW_TAPS.
fn enterTap(row: vec4u, rowInside: vec4<bool>, v: vec4u, xChannel: u32) {
  xAt = (row * params.xW + v) * params.xChannels + xChannel;
  if (ROW_TAPS) {
    let channels = i32(params.xChannels);
    let stop = clamp((i32(params.xW) - vec4i(v)) * channels, vec4i(), vec4i(i32(params.depth)));
    let start = min(max(-vec4i(v), vec4i()) * channels, stop);
    low = vec4u(start);
    span = select(vec4u(), vec4u(stop - start), rowInside);
  } else {
    low = vec4u();
    span = select(vec4u(), vec4u(params.depth), rowInside & (v < vec4u(params.xW)));
  }
}

// The thread's number, counted such that those of a quad follow one another: how a subgroup is filled is up to the adapter.
fn inQuads(thread: u32, subgroupLane: u32) -> u32 {
  return quadBroadcast(thread, 0u) / 4u * 4u + (subgroupLane & 3u);
}

// The four rows of a thread, a block for every 4 columns.
struct Blocks { c0: mat4x4f, c1: mat4x4f, c2: mat4x4f, c3: mat4x4f }

fn tileProduct(thread: u32, group: u32) -> Blocks {
  let phase = group / params.groupsPerPhase;
  let residueW = phase % params.strideW;
  let residueH = phase / params.strideW % params.strideH;
  let residueD = phase / params.strideW / params.strideH;

  let index = group % params.groupsPerPhase * 16u + thread / 4u;
  let tile = min(index, params.tiles - 1u);
  let channelGroup = tile / (params.tilesM * params.tilesN);
  let inGroup = tile % (params.tilesM * params.tilesN);
  lane = thread % 4u;
  col = inGroup % params.tilesN * 4u * COLS;
  channel = channelGroup * params.columns;
  let rows = vec4u(inGroup / params.tilesN * 16u + lane * 4u) + ROWS;

  let perRow = rows / params.qW;
  let perPlane = perRow / params.qH;
  let n = perPlane / params.qD;
  let q = array<vec4u, 3>(perPlane % params.qD, perRow % params.qH, rows % params.qW);
  let step = select(vec3u(1u), vec3u(params.strideD, params.strideH, params.strideW), vec3<bool>(INPUT_GRAD));
  let at = array<vec4u, 3>(q[0] * step.x + residueD, q[1] * step.y + residueH, q[2] * step.z + residueW);
  yAt = ((n * params.yD + at[0]) * params.yH + at[1]) * params.yW + at[2];
  stored = vec4<bool>(index < params.tiles && phase < params.phases) & (rows < vec4u(params.rows))
    & (at[0] < vec4u(params.yD)) & (at[1] < vec4u(params.yH)) & (at[2] < vec4u(params.yW));

  let pace = select(vec3u(params.strideD, params.strideH, params.strideW), vec3u(1u), vec3<bool>(INPUT_GRAD));
  let first = array<vec4u, 3>(q[0] * pace.x, q[1] * pace.y, q[2] * pace.z);
  let xChannel = channelGroup * params.depth;
  let wRow = select(params.yChannels, params.xChannels, INPUT_GRAD);
  let wPlane = select(params.depth, params.columns, INPUT_GRAD) * wRow;
  let wFirst = select(channel, xChannel, INPUT_GRAD);
  var c0 = mat4x4f();
  var c1 = mat4x4f();
  var c2 = mat4x4f();
  var c3 = mat4x4f();
  let tapsD = tapsOf(residueD, params.kD, params.strideD, params.padD, params.dilationD, params.tapsD);
  let tapsH = tapsOf(residueH, params.kH, params.strideH, params.padH, params.dilationH, params.tapsH);
  let tapsW = tapsOf(residueW, params.kW, params.strideW, params.padW, params.dilationW, params.tapsW);
  var d = first[0] + tapsD.shift;
  for (var kd = tapsD.first; kd < params.kD; kd += params.tapsD) {
    var h = first[1] + tapsH.shift;
    for (var kh = tapsH.first; kh < params.kH; kh += params.tapsH) {
      let row = (n * params.xD + d) * params.xH + h;
      let rowInside = (d < vec4u(params.xD)) & (h < vec4u(params.xH));
      var v = first[2] + tapsW.shift;
      for (var kw = tapsW.first; kw < params.kW; kw += params.tapsW) {
        enterTap(row, rowInside, v, xChannel);
        wAt = ((kd * params.kH + kh) * params.kW + kw) * wPlane + wFirst;
        for (var k = 0u; k < params.depth; k += 4u) {
          let left = xBlock(k);
          c0 += bBlock(k, 0u) * left;
          if (COLS > 1u) { c1 += bBlock(k, 4u) * left; }
          if (COLS > 2u) {
            c2 += bBlock(k, 8u) * left;
            c3 += bBlock(k, 12u) * left;
          }
        }
        v += params.hopW;
      }
      h += params.hopH;
    }
    d += params.hopD;
  }
  return Blocks(c0, c1, c2, c3);
}

fn finished(v: vec4f, j: u32, at: u32) -> vec4f {
  var result = v;
  if (HAS_BIAS) {
    let i = channel + j;
    result += vec4f(vec4<T>(bias[i], bias[i + 1u], bias[i + 2u], bias[i + 3u]));
  }
  if (HAS_RESIDUAL) { result += vec4f(vec4<T>(residual[at], residual[at + 1u], residual[at + 2u], residual[at + 3u])); }
  if (ACTIVATION == 1u) { return select(result, vec4f(), result < vec4f()); }
  if (ACTIVATION == 2u) { return select(result, params.slope * result, result < vec4f()); }
  return result;
}

// The 4×4 blocks as vectors, row by row within each block.
fn vectorsOf(c: Blocks) -> array<vec4f, 16> {
  return array<vec4f, 16>(
    c.c0[0], c.c0[1], c.c0[2], c.c0[3], c.c1[0], c.c1[1], c.c1[2], c.c1[3],
    c.c2[0], c.c2[1], c.c2[2], c.c2[3], c.c3[0], c.c3[1], c.c3[2], c.c3[3],
  );
}

// Columns are a multiple of 4.
@compute @workgroup_size(64)
fn conv(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  var tile = vectorsOf(tileProduct(inQuads(thread, subgroupLane), id.y * groups.x + id.x));
  // params.vectors is 4 · COLS, which no compiler can unroll: that would take it seconds.
  for (var i = 0u; i < params.vectors; i++) {
    let j = col + i / 4u * 4u;
    let at = yAt[i % 4u] * params.yChannels + channel + j;
    if (stored[i % 4u] && j < params.columns) { y[at / 4u] = vec4<T>(finished(tile[i], j, at)); }
  }
}

// Any number of columns.
@compute @workgroup_size(64)
fn convAnyColumns(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  var tile = vectorsOf(tileProduct(inQuads(thread, subgroupLane), id.y * groups.x + id.x));
  for (var i = 0u; i < params.vectors; i++) {
    let j = col + i / 4u * 4u;
    let at = yAt[i % 4u] * params.yChannels + channel + j;
    let values = finished(tile[i], j, at);
    let width = select(0u, params.columns - min(j, params.columns), stored[i % 4u]);
    if (width > 0u) { yScalar[at] = T(values.x); }
    if (width > 1u) { yScalar[at + 1u] = T(values.y); }
    if (width > 2u) { yScalar[at + 2u] = T(values.z); }
    if (width > 3u) { yScalar[at + 3u] = T(values.w); }
  }
}
