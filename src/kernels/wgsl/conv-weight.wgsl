// Gradient of a convolution with respect to its weights: out[tap, c, o] = Σ_n Σ_q x[n, q·stride − pad + tap·dilation, c]
// · g[n, q, o]; x [N, D, H, W, C], g [N, GD, GH, GW, O], out [KD, KH, KW, C / groups, O], f32.
// A product with q as the axis that is summed over: 4 pixels a step, tiles of 4·ROWS·SHARE rows (tap, c) and 4·COLS columns o for
// SHARE threads each, in 4×4 blocks as in matmul.wgsl; the rows of a thread have one tap. A split is a range of pixels; its sum
// goes to out[split], and sumParts of matmul-sum.wgsl adds the splits up in order.
// Another file, conv-weight-subgroup.wgsl, is the same but for how blocks of g are loaded and inGroups.
alias T = f32; // of the operands; products and sums are f32
alias S = f32; // of what is stored: T, or f32 for the parts of a sum

struct WeightParams {
  taps: u32, cBlocks: u32, // blocks of 4·ROWS input channels in a group
  tilesM: u32, tilesN: u32, tiles: u32, splits: u32, partSize: u32,
  pixels: u32, chunk: u32, // of g; of a split, a multiple of 4
  depth: u32, columns: u32, xChannels: u32, gChannels: u32, // input and output channels of a group; of all
  gD: u32, gH: u32, gW: u32,
  xD: u32, xH: u32, xW: u32,
  kH: u32, kW: u32,
  strideD: u32, strideH: u32, strideW: u32,
  padD: u32, padH: u32, padW: u32,
  dilationD: u32, dilationH: u32, dilationW: u32,
  vectors: u32, // 4 · COLS
}

override VEC_DEPTH: bool = true; // depth is a multiple of 4
override VEC_COLUMNS: bool = true;
override THREADS: u32 = 64u; // of a workgroup, a multiple of SHARE
override SHARE: u32 = 4u; // threads in a group: 4 or 8
override SWAP: bool = false; // lanes of a four swap what they loaded instead of broadcasting it, which SwiftShader does in a sixth of the time
override ROWS: u32 = 1u; // blocks of 4 input channels in a thread: 1 or 2
override COLS: u32 = 4u; // blocks of 4 columns in a tile: 1, 2, 4 or 8

@group(0) @binding(0) var<uniform> params: WeightParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> xScalar: array<T>; // x again
@group(0) @binding(3) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> gScalar: array<T>; // g again
@group(0) @binding(5) var<storage, read_write> out: array<vec4<S>>;
@group(0) @binding(5) var<storage, read_write> outScalar: array<S>;

const FOUR = vec4u(0u, 1u, 2u, 3u);

var<private> lane: u32;
var<private> pixel: u32; // the first of this step
var<private> pixelEnd: u32; // of this split
var<private> col: u32; // in the group
var<private> channel: u32; // of g, the group's first
var<private> rowAt: u32; // where this thread's first row is stored, and how many it has
var<private> rows: u32;

fn xVector(i: u32, valid: bool) -> vec4f {
  if (VEC_DEPTH) { return select(vec4f(), vec4f(x[i / 4u]), valid); }
  return select(vec4f(), vec4f(vec4<T>(xScalar[i], xScalar[i + 1u], xScalar[i + 2u], xScalar[i + 3u])), valid);
}

// Pixel r of this step in the block j columns behind the tile's first.
fn gPart(j: u32, r: u32) -> vec4f {
  let valid = pixel + r < pixelEnd;
  let i = (pixel + r) * params.gChannels + channel + col + j;
  if (VEC_COLUMNS) { return select(vec4f(), vec4f(g[i / 4u]), valid); }
  return select(vec4f(), vec4f(vec4<T>(gScalar[i], gScalar[i + 1u], gScalar[i + 2u], gScalar[i + 3u])), valid);
}

fn gBlock(j: u32) -> mat4x4f {
  return mat4x4f(gPart(j, 0u), gPart(j, 1u), gPart(j, 2u), gPart(j, 3u));
}

// The blocks that are j and j + 4 columns behind the tile's first. A thread loads all of them, and early.
alias Own = array<mat4x4f, 2>;
fn ownOf(j: u32) -> Own { return array(gBlock(j), gBlock(j + 4u)); }

fn gPair(early: Own, j: u32) -> array<mat4x4f, 2> { return early; }

// With SWAP, part i of a shared block is the one that lane (own XOR i) loaded. So what goes with these parts is put in that order.
fn ordered(v: vec4f) -> vec4f {
  if (!SWAP) { return v; }
  let pairs = select(v, v.yxwz, (lane & 1u) != 0u);
  return select(pairs, pairs.zwxy, (lane & 2u) != 0u);
}

// Four pixels of x, 4 channels each.
fn xBlock(at: vec4u, inside: vec4<bool>) -> mat4x4f {
  let block = transpose(mat4x4f(
    xVector(at.x, inside.x), xVector(at.y, inside.y), xVector(at.z, inside.z), xVector(at.w, inside.w)));
  return mat4x4f(ordered(block[0]), ordered(block[1]), ordered(block[2]), ordered(block[3]));
}

// A block for each 4 rows of a thread, of x or of 4 columns of the gradient.
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

fn tileProduct(thread: u32, group: u32) -> Tile {
  let index = group * (THREADS / SHARE) + thread / SHARE;
  let split = min(index / params.tiles, params.splits - 1u);
  let tile = index % params.tiles;
  let channelGroup = tile / (params.tilesM * params.tilesN);
  let inGroup = tile % (params.tilesM * params.tilesN);
  lane = thread % SHARE;
  col = inGroup % params.tilesN * 4u * COLS;
  channel = channelGroup * params.columns;
  let rowBlock = inGroup / params.tilesN * SHARE + lane;
  let tap = rowBlock / params.cBlocks;
  let c = rowBlock % params.cBlocks * 4u * ROWS;
  rows = select(0u, min(4u * ROWS, params.depth - c), tap < params.taps && index < params.tiles * params.splits);
  rowAt = split * params.partSize + (tap * params.depth + c) * params.gChannels + channel;
  let tapD = tap / params.kW / params.kH * params.dilationD - params.padD;
  let tapH = tap / params.kW % params.kH * params.dilationH - params.padH;
  let tapW = tap % params.kW * params.dilationW - params.padW;
  let xChannel = channelGroup * params.depth + c;

  pixel = split * params.chunk;
  pixelEnd = min(pixel + params.chunk, params.pixels);
  let perRow = (pixel + FOUR) / params.gW;
  let perPlane = perRow / params.gH;
  var gx = (pixel + FOUR) % params.gW;
  var gy = perRow % params.gH;
  var gz = perPlane % params.gD;
  var n = perPlane / params.gD;
  // Four pixels on is this far on along each axis, and one more where an inner axis overflows.
  let moveY = 4u / params.gW;
  let moveZ = moveY / params.gH;
  let moves = vec4u(4u % params.gW, moveY % params.gH, moveZ % params.gD, moveZ / params.gD);
  var t = Tile();
  for (var step = 0u; step < params.chunk; step += 4u) {
    let d = gz * params.strideD + tapD;
    let h = gy * params.strideH + tapH;
    let v = gx * params.strideW + tapW;
    let inside = (d < vec4u(params.xD)) & (h < vec4u(params.xH)) & (v < vec4u(params.xW))
      & (pixel + FOUR < vec4u(pixelEnd));
    let at = select(vec4u(), (((n * params.xD + d) * params.xH + h) * params.xW + v) * params.xChannels + xChannel, inside);
    // All loads come first: sums before a load LLVM (lavapipe) puts off until after it, and keeps their products in memory.
    let left = Strip(xBlock(at, inside), xBlock(at + 4u, inside));
    let early = array(ownOf(0u), ownOf(8u), ownOf(16u), ownOf(24u)); // compilers leave out what is not used
    t.c0 = gainedPair(t.c0, gPair(early[0], 0u), left);
    if (COLS > 2u) { t.c1 = gainedPair(t.c1, gPair(early[1], 8u), left); }
    if (COLS > 4u) {
      t.c2 = gainedPair(t.c2, gPair(early[2], 16u), left);
      t.c3 = gainedPair(t.c3, gPair(early[3], 24u), left);
    }
    pixel += 4u;
    gx += moves.x;
    let overX = gx >= vec4u(params.gW);
    gx -= select(vec4u(), vec4u(params.gW), overX);
    gy += moves.y + select(vec4u(), vec4u(1u), overX);
    let overY = gy >= vec4u(params.gH);
    gy -= select(vec4u(), vec4u(params.gH), overY);
    gz += moves.z + select(vec4u(), vec4u(1u), overY);
    let overZ = gz >= vec4u(params.gD);
    gz -= select(vec4u(), vec4u(params.gD), overZ);
    n += moves.w + select(vec4u(), vec4u(1u), overZ);
  }
  return t;
}

// The blocks of rows 4·r and on, where a loop can walk them.
fn blocksOf(t: Tile, r: u32) -> array<mat4x4f, 8> {
  let c = array<Strip, 8>(t.c0[0], t.c0[1], t.c1[0], t.c1[1], t.c2[0], t.c2[1], t.c3[0], t.c3[1]);
  if (r == 0u) { return array<mat4x4f, 8>(c[0].r0, c[1].r0, c[2].r0, c[3].r0, c[4].r0, c[5].r0, c[6].r0, c[7].r0); }
  return array<mat4x4f, 8>(c[0].r1, c[1].r1, c[2].r1, c[3].r1, c[4].r1, c[5].r1, c[6].r1, c[7].r1);
}

fn storeVectors(t: Tile, r: u32) {
  var blocks = blocksOf(t, r);
  // params.vectors is known at run time only, so that no compiler unrolls the loop: that would take it seconds.
  for (var i = 0u; i < params.vectors; i++) {
    let down = 4u * r + i % 4u;
    let j = col + i / 4u * 4u;
    if (down < rows && j < params.columns) { out[(rowAt + down * params.gChannels + j) / 4u] = vec4<S>(blocks[i / 4u][i % 4u]); }
  }
}

fn storeScalars(t: Tile, r: u32) {
  var blocks = blocksOf(t, r);
  for (var i = 0u; i < params.vectors; i++) {
    let down = 4u * r + i % 4u;
    let j = col + i / 4u * 4u;
    let at = rowAt + down * params.gChannels + j;
    let values = blocks[i / 4u][i % 4u];
    let width = select(0u, params.columns - min(j, params.columns), down < rows);
    if (width > 0u) { outScalar[at] = S(values.x); }
    if (width > 1u) { outScalar[at + 1u] = S(values.y); }
    if (width > 2u) { outScalar[at + 2u] = S(values.z); }
    if (width > 3u) { outScalar[at + 3u] = S(values.w); }
  }
}

@compute @workgroup_size(THREADS)
fn convWeight(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let t = tileProduct(thread, id.y * groups.x + id.x);
  storeVectors(t, 0u);
  if (ROWS > 1u) { storeVectors(t, 1u); }
}

@compute @workgroup_size(THREADS)
fn convWeightAnyColumns(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let t = tileProduct(thread, id.y * groups.x + id.x);
  storeScalars(t, 0u);
  if (ROWS > 1u) { storeScalars(t, 1u); }
}
