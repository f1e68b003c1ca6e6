enable subgroups;
// As matmul.wgsl, but the lanes of a group (SHARE consecutive lanes of a subgroup) share B: each loads one vector of a block, or of
// two, and a broadcast passes it on. Only how blocks of B are loaded and inGroups differ.
alias T = f32; // of the operands; products and sums are f32
alias S = f32; // of what is stored: T, or f32 for the parts of a sum

struct MatmulParams {
  m: u32, n: u32, k: u32,
  tilesM: u32, tilesN: u32, tiles: u32, splits: u32, // tiles: of a split
  kChunk: u32, batches: u32, batchChunk: u32, partSize: u32,
  // Where the first matrix begins, and how far apart rows and the batches along axes 0, 1 and 2 are, in elements.
  aStart: u32, aRow: u32, a0: u32, a1: u32, a2: u32,
  bStart: u32, bRow: u32, b0: u32, b1: u32, b2: u32, bBlock: u32, bRun: u32,
  outStart: u32, outRow: u32, out0: u32, out1: u32, out2: u32, outRun: u32,
  size1: u32, size2: u32, // of the batch axes 1 and 2
  slope: f32,
  vectors: u32, width: u32, // 4 · COLS; columns of a run that are there
}

override VEC_A: bool = true; // rows of A are multiples of 4
override VEC_B: bool = true;
override TRANSPOSE_A: bool = false;
override TRANSPOSE_B: bool = false;
override TAIL: bool = true; // steps may reach past the end of k
override THREADS: u32 = 64u; // of a workgroup, a multiple of SHARE
override SHARE: u32 = 4u; // threads in a group: 4 or 8
override SWAP: bool = false; // lanes of a four swap what they loaded instead of broadcasting it, which SwiftShader does in a sixth of the time
override ROWS: u32 = 1u; // blocks of 4 rows in a thread: 1 or 2
override COLS: u32 = 4u; // blocks of 4 columns in a tile: 1, 2, 4 or 8
override STEPS: u32 = 1u; // of 4 along k before the tile is carried over to the next turn of the loop, which costs SwiftShader much: 1 or 2
override RUN: u32 = 0u; // log2 of the columns of a run, at least 2; 0: all are one run
override SUM_BATCHES: bool = false;
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u;

@group(0) @binding(0) var<uniform> params: MatmulParams;
@group(0) @binding(1) var<storage, read> a: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> aScalar: array<T>; // a again
@group(0) @binding(3) var<storage, read> b: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> bScalar: array<T>; // b again
@group(0) @binding(5) var<storage, read> bias: array<T>;
@group(0) @binding(7) var<storage, read> residual: array<T>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<S>>;
@group(0) @binding(6) var<storage, read_write> outScalar: array<S>;
const FOUR = vec4u(0u, 1u, 2u, 3u);
var<private> octet: u32; // the first lane of this thread's eight
var<private> lane: u32;
var<private> row: u32;
var<private> col: u32;
var<private> outAt: u32;
var<private> aAt: vec4u; // where the four vectors of this thread's first block of A begin
var<private> bAt: u32; // where B begins, or where all columns are one run, the tile's first
var<private> kEnd: u32;
// Strides; these, aAt and bAt are counted in what an operand is indexed by: SwiftShader shifts lane by lane, so seldom in the loop over k.
var<private> rowA: u32;
var<private> rowB: u32;
var<private> blockB: u32;
fn unitsA(i: u32) -> u32 { if (VEC_A) { return i >> 2u; } return i; }
fn unitsB(i: u32) -> u32 { if (VEC_B) { return i >> 2u; } return i; }
fn aVector(i: u32) -> vec4f {
  if (VEC_A) { return vec4f(a[i]); }
  return vec4f(vec4<T>(aScalar[i], aScalar[i + 1u], aScalar[i + 2u], aScalar[i + 3u]));
}
fn bVector(i: u32) -> vec4f {
  if (VEC_B) { return vec4f(b[i]); }
  return vec4f(vec4<T>(bScalar[i], bScalar[i + 1u], bScalar[i + 2u], bScalar[i + 3u]));
}
// Zeros for k and behind where they are past the end.
fn maskAlong(v: vec4f, k: u32) -> vec4f { if (TAIL) { return select(vec4f(), v, vec4u(k) + FOUR < vec4u(kEnd)); } return v; }
fn maskAcross(v: vec4f, k: u32) -> vec4f { if (TAIL) { return select(vec4f(), v, k < kEnd); } return v; }
// With SWAP, part i of a shared block is the one that lane (own XOR i) loaded. So what goes with these parts is put in that order.
fn ordered(v: vec4f) -> vec4f {
  if (!SWAP) { return v; }
  let pairs = select(v, v.yxwz, (lane & 1u) != 0u);
  return select(pairs, pairs.zwxy, (lane & 2u) != 0u);
}
fn orderedBlock(block: mat4x4f) -> mat4x4f {
  if (TRANSPOSE_B) { return block; } // there the parts are columns of C, which are put in order as they are stored
  return mat4x4f(ordered(block[0]), ordered(block[1]), ordered(block[2]), ordered(block[3]));
}

// Block r of this thread's rows.
fn aBlock(k: u32, r: u32) -> mat4x4f {
  let i = aAt + vec4u(select(unitsA(k) + 4u * r * rowA, k * rowA + unitsA(4u * r), TRANSPOSE_A));
  let block = mat4x4f(aVector(i.x), aVector(i.y), aVector(i.z), aVector(i.w));
  if (TRANSPOSE_A) {
    return orderedBlock(transpose(mat4x4f(
      maskAcross(block[0], k), maskAcross(block[1], k + 1u), maskAcross(block[2], k + 2u), maskAcross(block[3], k + 3u))));
  }
  return orderedBlock(mat4x4f(maskAlong(block[0], k), maskAlong(block[1], k), maskAlong(block[2], k), maskAlong(block[3], k)));
}

// Column j in its run, and how far it lies behind the first: fours of columns are `block` apart, and runs of them `run`.
fn inRun(j: u32) -> u32 { if (RUN == 0u) { return j; } return j & ((1u << RUN) - 1u); }
fn fromFirst(j: u32, block: u32, run: u32) -> u32 { return select((j >> RUN) * run, 0u, RUN == 0u) + (inRun(j) >> 2u) * block; }
// How far the block of B that is j columns behind the tile's first lies behind bAt.
fn fromTile(j: u32) -> u32 { if (RUN == 0u) { return (j >> 2u) * blockB; } return fromFirst(col + j, blockB, unitsB(params.bRun)); }
// Vector r of it, as it lies in memory.
fn bPart(k: u32, j: u32, r: u32) -> vec4f {
  if (TRANSPOSE_B) { return maskAlong(bVector(bAt + fromTile(j) + r * rowB + unitsB(k)), k); }
  return maskAcross(bVector(bAt + fromTile(j) + (k + r) * rowB), k + r);
}
fn turned(block: mat4x4f) -> mat4x4f { if (TRANSPOSE_B) { return transpose(block); } return block; }
// What a thread loads of the blocks that are j and j + 4 columns behind the tile's first: of eight lanes half load the second.
alias Own = array<vec4f, 2>;
fn ownOf(k: u32, j: u32) -> Own {
  if (SHARE == 8u) { return array(bPart(k, j + lane / 4u * 4u, lane % 4u), vec4f()); }
  return array(bPart(k, j, lane), bPart(k, j + 4u, lane));
}
fn quadBlock(own: vec4f) -> mat4x4f {
  if (SWAP) { return turned(mat4x4f(own, quadSwapX(own), quadSwapY(own), quadSwapDiagonal(own))); }
  return turned(mat4x4f(quadBroadcast(own, 0u), quadBroadcast(own, 1u), quadBroadcast(own, 2u), quadBroadcast(own, 3u)));
}
fn octetBlock(own: vec4f, i: u32) -> mat4x4f {
  return turned(mat4x4f(subgroupShuffle(own, i), subgroupShuffle(own, i + 1u), subgroupShuffle(own, i + 2u), subgroupShuffle(own, i + 3u)));
}
// Both blocks. `early`: what was loaded before; SwiftShader (SWAP) loads it only here, which is faster there.
fn bPair(early: Own, k: u32, j: u32) -> array<mat4x4f, 2> {
  var own = early;
  if (SWAP) { own = ownOf(k, j); }
  if (SHARE == 4u) { return array(quadBlock(own[0]), quadBlock(own[1])); }
  return array(octetBlock(own[0], octet), octetBlock(own[0], octet + 4u));
}
// Batch z along axes 0, 1 and 2.
fn alongAxes(z: u32) -> vec3u { return vec3u(z / params.size2 / params.size1, z / params.size2 % params.size1, z % params.size2); }

// Where batch z of the operands begins: up to three axes, along which an operand may be repeated.
fn enterBatch(z: u32) {
  let at = alongAxes(z);
  rowA = unitsA(params.aRow);
  rowB = unitsB(params.bRow);
  blockB = unitsB(params.bBlock);
  let aRows = select((row + FOUR) * params.aRow, row + FOUR * params.aRow, vec4<bool>(TRANSPOSE_A));
  let first = aRows + params.aStart + at.x * params.a0 + at.y * params.a1 + at.z * params.a2;
  aAt = vec4u(unitsA(first.x), unitsA(first.y), unitsA(first.z), unitsA(first.w));
  bAt = unitsB(params.bStart + at.x * params.b0 + at.y * params.b1 + at.z * params.b2);
  if (RUN == 0u) { bAt += fromFirst(col, blockB, 0u); }
}

// The thread's number, counted such that those of a group follow one another: how a subgroup is filled is up to the adapter.
fn inGroups(thread: u32, subgroupLane: u32) -> u32 {
  octet = subgroupLane / 8u * 8u;
  if (SHARE == 4u) { return quadBroadcast(thread, 0u) / 4u * 4u + subgroupLane % 4u; }
  return subgroupShuffle(thread, octet) / 8u * 8u + subgroupLane % 8u;
}

alias Strip = array<mat4x4f, 2>; // of A: a block for each 4 rows of a thread
alias Tile = array<array<mat4x4f, 8>, 2>; // of C: 8 blocks of columns for each 4 rows
fn gain(c: ptr<function, Tile>, j: u32, b: mat4x4f, a: Strip) {
  if (ROWS > 1u) { (*c)[1][j] += b * a[1]; }
  (*c)[0][j] += b * a[0];
}
fn gainPair(c: ptr<function, Tile>, j: u32, b: array<mat4x4f, 2>, a: Strip) {
  if (COLS > 1u) { gain(c, j + 1u, b[1], a); }
  gain(c, j, b[0], a);
}

// All loads come first: sums before a load LLVM (lavapipe) puts off until after it, and keeps their products in memory. The last sums
// come first, as SwiftShader carries the first ones over to the next turn before it needs the registers of the others.
fn gainedTile(before: Tile, k: u32) -> Tile {
  var c = before;
  var left = Strip(aBlock(k, 0u), mat4x4f());
  if (ROWS > 1u) { left[1] = aBlock(k, 1u); }
  var early: array<Own, 4>; // only what is used: compilers leave out the rest, but SwiftShader takes as long again to build that
  if (!SWAP) { early[0] = ownOf(k, 0u); }
  if (!SWAP && COLS > 2u) { early[1] = ownOf(k, 8u); }
  if (!SWAP && COLS > 4u) { early[2] = ownOf(k, 16u); early[3] = ownOf(k, 24u); }
  if (COLS > 4u) { gainPair(&c, 6u, bPair(early[3], k, 24u), left); gainPair(&c, 4u, bPair(early[2], k, 16u), left); }
  if (COLS > 2u) { gainPair(&c, 2u, bPair(early[1], k, 8u), left); }
  gainPair(&c, 0u, bPair(early[0], k, 0u), left);
  return c;
}
// All threads take as many steps, as sharing asks for; masks do the rest.
fn gainedBatch(before: Tile, batch: u32, kStart: u32, kStop: u32) -> Tile {
  var c = before;
  enterBatch(batch);
  kEnd = kStop;
  for (var step = 0u; step < params.kChunk; step += 4u * STEPS) {
    c = gainedTile(c, kStart + step);
    if (STEPS == 2u) { c = gainedTile(c, kStart + step + 4u); }
  }
  return c;
}

fn tileProduct(thread: u32, group: u32) -> Tile {
  let index = group * (THREADS / SHARE) + thread / SHARE;
  let split = min(index / params.tiles, params.splits - 1u);
  let tile = index % params.tiles;
  let z = tile / (params.tilesM * params.tilesN);
  // Tiles run down strips of 4 column tiles, so that a workgroup of 64 threads covers a square.
  let inBatch = tile % (params.tilesM * params.tilesN);
  let strip = inBatch / (4u * params.tilesM);
  let width = min(4u, params.tilesN - 4u * strip);
  let inStrip = inBatch - 4u * params.tilesM * strip;
  lane = thread % SHARE;
  row = (inStrip / width * SHARE + lane) * 4u * ROWS;
  col = (strip * 4u + inStrip % width) * 4u * COLS;
  let at = alongAxes(z);
  outAt = split * params.partSize + params.outStart + at.x * params.out0 + at.y * params.out1 + at.z * params.out2;
  if (index >= params.tiles * params.splits) { row = params.m; } // stores nothing
  let kStart = select(split * params.kChunk, 0u, SUM_BATCHES);
  let kStop = min(kStart + params.kChunk, params.k);
  // Where no batches are summed, gainedBatch's loop stands alone: one around it would carry the tile once more, for SwiftShader a turn's time.
  var c = Tile();
  if (!SUM_BATCHES) { c = gainedBatch(c, z, kStart, kStop); }
  else {
    for (var batch = 0u; batch < params.batchChunk; batch++) {
      let summed = split * params.batchChunk + batch;
      c = gainedBatch(c, min(summed, params.batches - 1u), kStart, select(kStop, 0u, summed >= params.batches));
    }
  }
  return c;
}

// The activations are those of elementwise.wgsl.
fn sigmoidOf(v: vec4f) -> vec4f {
  let e = exp(-abs(v));
  return select(vec4f(1), e, v < vec4f()) / (1 + e);
}
fn tanhOf(v: vec4f) -> vec4f {
  let e = exp(-2 * abs(v));
  let large = (1 - e) / (1 + e);
  let s = v * v;
  let small = v + v * s * (-0.33333333 + s * (0.13333333 - s * 0.053968254));
  return select(select(large, -large, v < vec4f()), small, abs(v) < vec4f(0.25));
}
fn normalCdf(v: vec4f) -> vec4f {
  let z = abs(v) * 0.70710678118654752; // sqrt(1/2)
  let t = 1 / (1 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-z * z);
  return select(1 - tail, tail, v < vec4f());
}
fn weighted(v: vec4f, weight: vec4f) -> vec4f { return select(v * weight, vec4f(), weight == vec4f()); }

fn activate(v: vec4f) -> vec4f {
  switch (ACTIVATION) {
    case 1u: { return select(v, vec4f(), v < vec4f()); } // relu
    case 2u: { return select(v, params.slope * v, v < vec4f()); } // leakyRelu
    case 3u: { return sigmoidOf(v); }
    case 4u: { return tanhOf(v); }
    case 5u: { return weighted(v, normalCdf(v)); } // gelu
    case 6u: { return weighted(v, sigmoidOf(v)); } // silu
    default: { return v; }
  }
}
fn finished(v: vec4f, j: u32, at: u32) -> vec4f {
  var result = select(v, ordered(v), TRANSPOSE_B);
  if (HAS_BIAS) { result += vec4f(vec4<T>(bias[j], bias[j + 1u], bias[j + 2u], bias[j + 3u])); }
  if (HAS_RESIDUAL) { result += vec4f(vec4<T>(residual[at], residual[at + 1u], residual[at + 2u], residual[at + 3u])); }
  return activate(result);
}

// N, the columns that a run has and all strides are multiples of 4.
fn storeVectors(c: Tile) {
  // params.vectors is known at run time only, so that no compiler unrolls the loop: that would take it seconds. What is stored is taken
  // within the outer loop: what follows the loop over k at once, SwiftShader does in each turn of it.
  for (var r = 0u; r < ROWS; r++) {
    var blocks = c[0];
    if (ROWS > 1u && r == 1u) { blocks = c[1]; }
    for (var i = 0u; i < params.vectors; i++) {
      let down = row + 4u * r + i % 4u;
      let j = col + i / 4u * 4u;
      let at = outAt + down * params.outRow + fromFirst(j, 4u, params.outRun);
      if (down < params.m && j < params.n) { out[at / 4u] = vec4<S>(finished(blocks[i / 4u][i % 4u], inRun(j), at)); }
    }
  }
}
// Any N.
fn storeScalars(c: Tile) {
  for (var r = 0u; r < ROWS; r++) {
    var blocks = c[0];
    if (ROWS > 1u && r == 1u) { blocks = c[1]; }
    for (var i = 0u; i < params.vectors; i++) {
      let down = row + 4u * r + i % 4u;
      let j = col + i / 4u * 4u;
      let at = outAt + down * params.outRow + fromFirst(j, 4u, params.outRun);
      let values = finished(blocks[i / 4u][i % 4u], inRun(j), at);
      let width = select(0u, params.width - min(inRun(j), params.width), down < params.m && j < params.n);
      if (width > 0u) { outScalar[at] = S(values.x); }
      if (width > 1u) { outScalar[at + 1u] = S(values.y); }
      if (width > 2u) { outScalar[at + 2u] = S(values.z); }
      if (width > 3u) { outScalar[at + 3u] = S(values.w); }
    }
  }
}

@compute @workgroup_size(THREADS)
fn matmul(@builtin(local_invocation_index) thread: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  storeVectors(tileProduct(inGroups(thread, subgroupLane), id.y * groups.x + id.x));
}

@compute @workgroup_size(THREADS)
fn matmulAnyN(@builtin(local_invocation_index) thread: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  storeScalars(tileProduct(inGroups(thread, subgroupLane), id.y * groups.x + id.x));
}
