// Convolution as a product of matrices that are never written out: y[n, q, o] = Σ_tap Σ_c x[n, q·stride − pad +
// tap·dilation, c] · w[tap, c, o] + bias[o] + residual[n, q, o], then the activation; x [N, D, H, W, C], w [KD, KH, KW, C / groups, O], f32.
// With INPUT_GRAD its adjoint: y[n, i, c] = Σ_tap Σ_o x[n, (i + pad − tap·dilation) / stride, o] · w[tap, c, o] over the
// taps that divide. There, positions i of one residue modulo the stride (a phase) have the same taps, so each workgroup
// does one phase: i = q·stride + residue, and no thread looks at a tap in vain.
// Tiles of 4·ROWS·SHARE positions and 4·COLS columns are dealt out to groups of SHARE threads, of which each computes 4·ROWS
// positions, in 4×4 blocks with a row in each column, as matmul.wgsl does. Channels of a group are `depth` on the side that is
// summed over and `columns` on the other. Rows and columns past the last compute garbage, which is not stored.
// Another file, conv-subgroup.wgsl, is the same but for how blocks of the weights are loaded and inGroups.
alias T = f32; // of the operands; products and sums are f32

struct ConvParams {
  rows: u32, tilesM: u32, tilesN: u32, tiles: u32, phases: u32, groupsPerPhase: u32,
  depth: u32, columns: u32, xChannels: u32, yChannels: u32, // of a group; of all
  qD: u32, qH: u32, qW: u32, // positions of a phase
  xD: u32, xH: u32, xW: u32, yD: u32, yH: u32, yW: u32, kD: u32, kH: u32, kW: u32,
  strideD: u32, strideH: u32, strideW: u32, padD: u32, padH: u32, padW: u32, dilationD: u32, dilationH: u32, dilationW: u32,
  tapsD: u32, tapsH: u32, tapsW: u32, // from one tap of a phase to its next
  hopD: u32, hopH: u32, hopW: u32, // and from its input to the next one's, modulo 2³²
  tileRows: u32, tileColumns: u32, slope: f32, // 4, COLS
}

override INPUT_GRAD: bool = false;
override ROW_TAPS: bool = false; // forward only: kW is 1, and depth covers all taps along W
override VEC_DEPTH: bool = true; // depth is a multiple of 4
override VEC_COLUMNS: bool = true;
override THREADS: u32 = 64u; // of a workgroup, a multiple of SHARE
override SHARE: u32 = 4u; // threads in a group: 4 or 8
override SWAP: bool = false; // lanes of a four swap what they loaded instead of broadcasting it, which SwiftShader does in a sixth of the time
override ROWS: u32 = 1u; // blocks of 4 positions in a thread: 1 or 2
override COLS: u32 = 4u; // blocks of 4 columns in a tile: 1, 2, 4 or 8
override STEPS: u32 = 0u; // of 4 channels in a turn of the loop over taps: 1 or 2; 0: all of a tap
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
const FOUR = vec4u(0u, 1u, 2u, 3u);
const NOWHERE = 0xffffffffu;
var<private> lane: u32;
var<private> row: u32; // of all positions of a phase, this thread's first
var<private> col: u32; // in the group
var<private> channel: u32; // of y, the group's first
var<private> residue: vec3u; // of the phase: modulo the stride along D, H and W
var<private> wAt: u32; // of this tap

// Four positions of a phase: sample and place along each axis.
struct Places { n: vec4u, d: vec4u, h: vec4u, w: vec4u }
fn placesOf(rows: vec4u) -> Places {
  let perRow = rows / params.qW;
  let perPlane = perRow / params.qH;
  return Places(perPlane / params.qD, perPlane % params.qD, perRow % params.qH, rows % params.qW);
}

// Where four positions' inputs for a tap are (or would be), the first element that is not in the padding, and how many are not.
struct Inputs { at: vec4u, low: vec4u, span: vec4u }
fn xVector(at: u32, c: u32, count: u32) -> vec4f {
  if (VEC_DEPTH) { return select(vec4f(), vec4f(x[at / 4u]), c < count); }
  let values = vec4f(vec4<T>(xScalar[at], xScalar[at + 1u], xScalar[at + 2u], xScalar[at + 3u]));
  return select(vec4f(), values, vec4u(c) + FOUR < vec4u(count));
}

// With SWAP, part i of a shared block is the one that lane (own XOR i) loaded. So what goes with these parts is put in that order.
fn ordered(v: vec4f) -> vec4f {
  if (!SWAP) { return v; }
  let pairs = select(v, v.yxwz, (lane & 1u) != 0u);
  return select(pairs, pairs.zwxy, (lane & 2u) != 0u);
}
fn xBlock(p: Inputs, c: u32) -> mat4x4f {
  let block = mat4x4f(
    xVector(p.at.x + c, c - p.low.x, p.span.x), xVector(p.at.y + c, c - p.low.y, p.span.y),
    xVector(p.at.z + c, c - p.low.z, p.span.z), xVector(p.at.w + c, c - p.low.w, p.span.w));
  if (INPUT_GRAD) { return block; } // there the parts are columns of y, which are put in order as they are stored
  return mat4x4f(ordered(block[0]), ordered(block[1]), ordered(block[2]), ordered(block[3]));
}

// Vector r, as it lies in memory, of the block of weights j columns behind the tile's first.
fn bPart(k: u32, j: u32, r: u32) -> vec4f {
  let at = select(vec2u(k, col + j), vec2u(col + j, k), vec2<bool>(INPUT_GRAD));
  let i = wAt + (at.x + r) * select(params.yChannels, params.xChannels, INPUT_GRAD) + at.y;
  var values = vec4<T>();
  if (select(VEC_COLUMNS, VEC_DEPTH, INPUT_GRAD)) { values = w[i / 4u]; }
  else { values = vec4<T>(wScalar[i], wScalar[i + 1u], wScalar[i + 2u], wScalar[i + 3u]); }
  if (VEC_DEPTH) { return vec4f(values); }
  return select(vec4f(), vec4f(values), select(vec4u(k + r), vec4u(k) + FOUR, vec4<bool>(INPUT_GRAD)) < vec4u(params.depth));
}

fn turned(block: mat4x4f) -> mat4x4f { if (INPUT_GRAD) { return transpose(block); } return block; }

fn bBlock(k: u32, j: u32) -> mat4x4f {
  return turned(mat4x4f(bPart(k, j, 0u), bPart(k, j, 1u), bPart(k, j, 2u), bPart(k, j, 3u)));
}

// The blocks that are j and j + 4 columns behind the tile's first. A thread loads all of them, and early.
alias Own = array<mat4x4f, 2>;
fn ownOf(k: u32, j: u32) -> Own { return array(bBlock(k, j), bBlock(k, j + 4u)); }

fn bPair(early: Own, k: u32, j: u32) -> array<mat4x4f, 2> { return early; }

// The first tap that a phase has along an axis, and how far its input is from q times the pace, modulo 2³².
fn tapsOf(phase: u32, kernel: u32, stride: u32, pad: u32, dilation: u32, period: u32) -> vec2u {
  if (!INPUT_GRAD) { return vec2u(0u, 0u - pad); }
  let reach = kernel * dilation; // keeps the dividend positive
  for (var tap = 0u; tap < min(period, kernel); tap++) {
    let dividend = phase + pad + reach * stride - tap * dilation;
    if (dividend % stride == 0u) { return vec2u(tap, dividend / stride - reach); }
  }
  return vec2u(kernel, 0u);
}

// The inputs for a tap, `step` away from where those of the first tap begin (for ROW_TAPS: of a row of taps).
fn inputsOf(p: Places, step: vec3u, xChannel: u32) -> Inputs {
  let d = p.d + step.x;
  let h = p.h + step.y;
  let v = p.w + step.z;
  let rowInside = (d < vec4u(params.xD)) & (h < vec4u(params.xH));
  let at = (((p.n * params.xD + d) * params.xH + h) * params.xW + v) * params.xChannels + xChannel;
  if (ROW_TAPS) {
    let stop = clamp((i32(params.xW) - vec4i(v)) * i32(params.xChannels), vec4i(), vec4i(i32(params.depth)));
    let start = min(max(-vec4i(v), vec4i()) * i32(params.xChannels), stop);
    return Inputs(at, vec4u(start), select(vec4u(), vec4u(stop - start), rowInside));
  }
  return Inputs(at, vec4u(), select(vec4u(), vec4u(params.depth), rowInside & (v < vec4u(params.xW))));
}

// Where the inputs of block r of this thread's positions begin.
fn startsOf(r: u32) -> Places {
  let p = placesOf(row + 4u * r + FOUR);
  let pace = select(vec3u(params.strideD, params.strideH, params.strideW), vec3u(1u), vec3<bool>(INPUT_GRAD));
  return Places(p.n, p.d * pace.x, p.h * pace.y, p.w * pace.z);
}

// A block for each 4 rows of a thread, of x or of 4 columns of y.
struct Strip { r0: mat4x4f, r1: mat4x4f }
fn gained(c: Strip, b: mat4x4f, a: Strip) -> Strip {
  if (ROWS == 1u) { return Strip(c.r0 + b * a.r0, c.r1); }
  return Strip(c.r0 + b * a.r0, c.r1 + b * a.r1);
}
fn gainedPair(c: array<Strip, 2>, pair: array<mat4x4f, 2>, a: Strip) -> array<Strip, 2> {
  if (COLS == 1u) { return array(gained(c[0], pair[0], a), c[1]); }
  return array(gained(c[0], pair[0], a), gained(c[1], pair[1], a));
}

struct Tile { c0: array<Strip, 2>, c1: array<Strip, 2>, c2: array<Strip, 2>, c3: array<Strip, 2> }

// The tile with what four channels of a tap, at x0 and x1, add to it.
fn gainedTile(before: Tile, x0: Inputs, x1: Inputs, k: u32) -> Tile {
  var c = before;
  // All loads come first: sums before a load LLVM (lavapipe) puts off until after it, and keeps their products in memory.
  var left = Strip(xBlock(x0, k), mat4x4f());
  if (ROWS > 1u) { left.r1 = xBlock(x1, k); }
  var early: array<Own, 4>; // only what is used: compilers leave out the rest, but SwiftShader takes as long again to build that
  if (!SWAP) { early[0] = ownOf(k, 0u); }
  if (!SWAP && COLS > 2u) { early[1] = ownOf(k, 8u); }
  if (!SWAP && COLS > 4u) { early[2] = ownOf(k, 16u); early[3] = ownOf(k, 24u); }
  c.c0 = gainedPair(c.c0, bPair(early[0], k, 0u), left);
  if (COLS > 2u) { c.c1 = gainedPair(c.c1, bPair(early[1], k, 8u), left); }
  if (COLS > 4u) { c.c2 = gainedPair(c.c2, bPair(early[2], k, 16u), left); c.c3 = gainedPair(c.c3, bPair(early[3], k, 24u), left); }
  return c;
}

// The next 4 · STEPS channels or, behind the last (without STEPS always), the next tap: how many taps along D, H and W come before,
// and the first channel. With STEPS it is one loop: each one around it would carry the tile once more, for SwiftShader a turn's time.
fn following(t: vec4u, first: vec3u) -> vec4u {
  let tapDone = STEPS == 0u || t.w + 4u * STEPS >= params.depth;
  let rowDone = tapDone & (first.z + (t.z + 1u) * params.tapsW >= params.kW);
  let planeDone = rowDone & (first.y + (t.y + 1u) * params.tapsH >= params.kH);
  let on = vec4u(u32(planeDone), u32(rowDone), u32(tapDone), 4u * STEPS);
  return select(t + on, vec4u(), vec4<bool>(false, planeDone, rowDone, tapDone));
}

fn tileProduct(thread: u32, group: u32) -> Tile {
  let phase = group / params.groupsPerPhase;
  let at = vec3u(phase / params.strideW / params.strideH, phase / params.strideW % params.strideH, phase % params.strideW);
  residue = at; // which no uniform control flow may depend on
  let index = group % params.groupsPerPhase * (THREADS / SHARE) + thread / SHARE;
  let tile = min(index, params.tiles - 1u);
  let channelGroup = tile / (params.tilesM * params.tilesN);
  let inGroup = tile % (params.tilesM * params.tilesN);
  lane = thread % SHARE;
  col = inGroup % params.tilesN * 4u * COLS;
  channel = channelGroup * params.columns;
  row = (inGroup / params.tilesN * SHARE + lane) * 4u * ROWS;
  let p0 = startsOf(0u);
  let p1 = startsOf(1u);
  if (index >= params.tiles || phase >= params.phases) { row = params.rows; } // stores nothing
  let xChannel = channelGroup * params.depth;
  let wPlane = select(params.depth * params.yChannels, params.columns * params.xChannels, INPUT_GRAD);
  var c = Tile();
  let tapsD = tapsOf(at.x, params.kD, params.strideD, params.padD, params.dilationD, params.tapsD);
  let tapsH = tapsOf(at.y, params.kH, params.strideH, params.padH, params.dilationH, params.tapsH);
  let tapsW = tapsOf(at.z, params.kW, params.strideW, params.padW, params.dilationW, params.tapsW);
  let first = vec3u(tapsD.x, tapsH.x, tapsW.x);
  let shift = vec3u(tapsD.y, tapsH.y, tapsW.y);
  let end = select(params.kD, 0u, any(first.yz >= vec2u(params.kH, params.kW))); // a phase may meet no tap
  for (var turn = vec4u(); first.x + turn.x * params.tapsD < end; turn = following(turn, first)) {
    let tap = first + turn.xyz * vec3u(params.tapsD, params.tapsH, params.tapsW);
    let step = shift + turn.xyz * vec3u(params.hopD, params.hopH, params.hopW);
    let x0 = inputsOf(p0, step, xChannel);
    let x1 = inputsOf(p1, step, xChannel);
    wAt = ((tap.x * params.kH + tap.y) * params.kW + tap.z) * wPlane + select(channel, xChannel, INPUT_GRAD);
    if (STEPS == 0u) { for (var k = 0u; k < params.depth; k += 4u) { c = gainedTile(c, x0, x1, k); } }
    if (STEPS > 0u) { c = gainedTile(c, x0, x1, turn.w); }
    if (STEPS == 2u) { c = gainedTile(c, x0, x1, turn.w + 4u); }
  }
  return c;
}

// Where position i of this thread is stored, in pixels; no pixel where it is not.
fn pixelOf(i: u32) -> u32 {
  let p = placesOf(vec4u(row + i));
  let step = select(vec3u(1u), vec3u(params.strideD, params.strideH, params.strideW), vec3<bool>(INPUT_GRAD));
  let at = vec3u(p.d.x, p.h.x, p.w.x) * step + residue;
  let inside = row + i < params.rows && all(at < vec3u(params.yD, params.yH, params.yW));
  return select(NOWHERE, ((p.n.x * params.yD + at.x) * params.yH + at.y) * params.yW + at.z, inside);
}

fn finished(v: vec4f, j: u32, at: u32) -> vec4f {
  var result = select(v, ordered(v), INPUT_GRAD);
  let i = channel + j;
  if (HAS_BIAS) { result += vec4f(vec4<T>(bias[i], bias[i + 1u], bias[i + 2u], bias[i + 3u])); }
  if (HAS_RESIDUAL) { result += vec4f(vec4<T>(residual[at], residual[at + 1u], residual[at + 2u], residual[at + 3u])); }
  if (ACTIVATION == 1u) { return select(result, vec4f(), result < vec4f()); }
  if (ACTIVATION == 2u) { return select(result, params.slope * result, result < vec4f()); }
  return result;
}

// The blocks of rows 4·r and on, where a loop can walk them.
fn blocksOf(t: Tile, r: u32) -> array<mat4x4f, 8> {
  let c = array<Strip, 8>(t.c0[0], t.c0[1], t.c1[0], t.c1[1], t.c2[0], t.c2[1], t.c3[0], t.c3[1]);
  if (r == 0u) { return array<mat4x4f, 8>(c[0].r0, c[1].r0, c[2].r0, c[3].r0, c[4].r0, c[5].r0, c[6].r0, c[7].r0); }
  return array<mat4x4f, 8>(c[0].r1, c[1].r1, c[2].r1, c[3].r1, c[4].r1, c[5].r1, c[6].r1, c[7].r1);
}

fn storeVectors(t: Tile, r: u32) {
  var blocks = blocksOf(t, r);
  // The tile's size is known at run time only, so that no compiler unrolls the loops: that would take it seconds.
  for (var i = 0u; i < params.tileRows; i++) {
    let pixel = pixelOf(4u * r + i);
    for (var c = 0u; c < params.tileColumns; c++) {
      let j = col + 4u * c;
      let at = pixel * params.yChannels + channel + j;
      if (pixel != NOWHERE && j < params.columns) { y[at / 4u] = vec4<T>(finished(blocks[c][i], j, at)); }
    }
  }
}

fn storeScalars(t: Tile, r: u32) {
  var blocks = blocksOf(t, r);
  for (var i = 0u; i < params.tileRows; i++) {
    let pixel = pixelOf(4u * r + i);
    for (var c = 0u; c < params.tileColumns; c++) {
      let j = col + 4u * c;
      let at = pixel * params.yChannels + channel + j;
      let values = finished(blocks[c][i], j, at);
      let width = select(0u, params.columns - min(j, params.columns), pixel != NOWHERE);
      if (width > 0u) { yScalar[at] = T(values.x); }
      if (width > 1u) { yScalar[at + 1u] = T(values.y); }
      if (width > 2u) { yScalar[at + 2u] = T(values.z); }
      if (width > 3u) { yScalar[at + 3u] = T(values.w); }
    }
  }
}

@compute @workgroup_size(THREADS)
fn conv(@builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = tileProduct(thread, id.y * groups.x + id.x);
  storeVectors(t, 0u);
  if (ROWS > 1u) { storeVectors(t, 1u); }
}

@compute @workgroup_size(THREADS)
fn convAnyColumns(@builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = tileProduct(thread, id.y * groups.x + id.x);
  storeScalars(t, 0u);
  if (ROWS > 1u) { storeScalars(t, 1u); }
}
