enable subgroups;
// As conv-weight.wgsl, but the lanes of a quad (4 consecutive lanes) share g: each loads one vector of a block, and
// quadBroadcast passes it on. Only gBlock and inQuads differ.
alias T = f32; // of the operands; products and sums are f32
alias S = f32; // of what is stored: T, or f32 for the parts of a sum

struct WeightParams {
  taps: u32, cBlocks: u32, // blocks of 4 input channels in a group
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
override COLS: u32 = 4u; // blocks in a tile: 1, 2 or 4

@group(0) @binding(0) var<uniform> params: WeightParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> xScalar: array<T>; // x again
@group(0) @binding(3) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> gScalar: array<T>; // g again
@group(0) @binding(5) var<storage, read_write> out: array<vec4<S>>;
@group(0) @binding(5) var<storage, read_write> outScalar: array<S>;

const ROWS = vec4u(0u, 1u, 2u, 3u);

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
  let own = gPart(j, lane);
  return mat4x4f(quadBroadcast(own, 0u), quadBroadcast(own, 1u), quadBroadcast(own, 2u), quadBroadcast(own, 3u));
}

// The thread's number, counted such that those of a quad follow one another: how a subgroup is filled is up to the adapter.
fn inQuads(thread: u32, subgroupLane: u32) -> u32 {
  return quadBroadcast(thread, 0u) / 4u * 4u + (subgroupLane & 3u);
}

// The four rows of a thread, a block for every 4 columns.
struct Blocks { c0: mat4x4f, c1: mat4x4f, c2: mat4x4f, c3: mat4x4f }

fn tileProduct(thread: u32, group: u32) -> Blocks {
  let index = group * 16u + thread / 4u;
  let split = min(index / params.tiles, params.splits - 1u);
  let tile = index % params.tiles;
  let channelGroup = tile / (params.tilesM * params.tilesN);
  let inGroup = tile % (params.tilesM * params.tilesN);
  lane = thread % 4u;
  col = inGroup % params.tilesN * 4u * COLS;
  channel = channelGroup * params.columns;
  let rowBlock = inGroup / params.tilesN * 4u + lane;
  let tap = rowBlock / params.cBlocks;
  let c = rowBlock % params.cBlocks * 4u;
  rows = select(0u, min(4u, params.depth - c), tap < params.taps && index < params.tiles * params.splits);
  rowAt = split * params.partSize + (tap * params.depth + c) * params.gChannels + channel;
  let tapD = tap / params.kW / params.kH * params.dilationD - params.padD;
  let tapH = tap / params.kW % params.kH * params.dilationH - params.padH;
  let tapW = tap % params.kW * params.dilationW - params.padW;
  let xChannel = channelGroup * params.depth + c;

  pixel = split * params.chunk;
  pixelEnd = min(pixel + params.chunk, params.pixels);
  let perRow = (pixel + ROWS) / params.gW;
  let perPlane = perRow / params.gH;
  var gx = (pixel + ROWS) % params.gW;
  var gy = perRow % params.gH;
  var gz = perPlane % params.gD;
  var n = perPlane / params.gD;
  // Four pixels on is this far on along each axis, and one more where an inner axis overflows.
  let moveY = 4u / params.gW;
  let moveZ = moveY / params.gH;
  let moves = vec4u(4u % params.gW, moveY % params.gH, moveZ % params.gD, moveZ / params.gD);
  var c0 = mat4x4f();
  var c1 = mat4x4f();
  var c2 = mat4x4f();
  var c3 = mat4x4f();
  for (var step = 0u; step < params.chunk; step += 4u) {
    let d = gz * params.strideD + tapD;
    let h = gy * params.strideH + tapH;
    let v = gx * params.strideW + tapW;
    let inside = (d < vec4u(params.xD)) & (h < vec4u(params.xH)) & (v < vec4u(params.xW))
      & (pixel + ROWS < vec4u(pixelEnd));
    let at = select(vec4u(), (((n * params.xD + d) * params.xH + h) * params.xW + v) * params.xChannels + xChannel, inside);
    let left = transpose(mat4x4f(
      xVector(at.x, inside.x), xVector(at.y, inside.y), xVector(at.z, inside.z), xVector(at.w, inside.w)));
    c0 += gBlock(0u) * left;
    if (COLS > 1u) { c1 += gBlock(4u) * left; }
    if (COLS > 2u) {
      c2 += gBlock(8u) * left;
      c3 += gBlock(12u) * left;
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
  return Blocks(c0, c1, c2, c3);
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
fn convWeight(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  var tile = vectorsOf(tileProduct(inQuads(thread, subgroupLane), id.y * groups.x + id.x));
  // params.vectors is 4 · COLS, which no compiler can unroll: that would take it seconds.
  for (var i = 0u; i < params.vectors; i++) {
    let j = col + i / 4u * 4u;
    if (i % 4u < rows && j < params.columns) { out[(rowAt + i % 4u * params.gChannels + j) / 4u] = vec4<S>(tile[i]); }
  }
}

// Any number of columns.
@compute @workgroup_size(64)
fn convWeightAnyColumns(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  var tile = vectorsOf(tileProduct(inQuads(thread, subgroupLane), id.y * groups.x + id.x));
  for (var i = 0u; i < params.vectors; i++) {
    let j = col + i / 4u * 4u;
    let at = rowAt + i % 4u * params.gChannels + j;
    let values = tile[i];
    let width = select(0u, params.columns - min(j, params.columns), i % 4u < rows);
    if (width > 0u) { outScalar[at] = S(values.x); }
    if (width > 1u) { outScalar[at + 1u] = S(values.y); }
    if (width > 2u) { outScalar[at + 2u] = S(values.z); }
    if (width > 3u) { outScalar[at + 3u] = S(values.w); }
  }
}
