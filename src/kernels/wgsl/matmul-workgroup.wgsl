// As matmul.wgsl, but for GPUs: the operands pass through workgroup memory. A workgroup of 8 × 8 threads computes 64 rows and columns,
// each thread 8 of either; for 16 steps along k every thread loads one 4×4 block of A and one of B for all. Eight tiles side by side,
// of 8 columns each, are a workgroup's, so tilesN is a multiple of 8; kChunk is one of 16.
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
  vectors: u32, width: u32, // 8, of a block of rows; columns of a run that are there
}

override VEC_A: bool = true; // rows of A are multiples of 4
override VEC_B: bool = true;
override TRANSPOSE_A: bool = false;
override TRANSPOSE_B: bool = false;
override TAIL: bool = true; // steps may reach past the end of k
override THREADS: u32 = 64u; // of a workgroup; no other number fits
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
const ROWS = 2u; // blocks of 4 rows in a thread
var<private> lane: u32; // this thread's number
var<private> rowLoaded: u32; // of A, the first of the block that this thread loads
var<private> colLoaded: u32; // of B
var<private> row: u32;
var<private> col: u32;
var<private> outAt: u32;
var<private> aAt: vec4u; // where the four vectors of the block of A that this thread loads begin
var<private> bAt: u32; // where B begins
var<private> kEnd: u32;
// Row r at [k / 4][r % 8][r / 8], four along k: neighbours in a column of threads, 8 rows apart, read neighbours.
var<workgroup> aShared: array<vec4f, 256>;
// Four columns from 4·j on at [k][j].
var<workgroup> bShared: array<vec4f, 256>;

fn aVector(i: u32) -> vec4f {
  if (VEC_A) { return vec4f(a[i / 4u]); }
  return vec4f(vec4<T>(aScalar[i], aScalar[i + 1u], aScalar[i + 2u], aScalar[i + 3u]));
}
fn bVector(i: u32) -> vec4f {
  if (VEC_B) { return vec4f(b[i / 4u]); }
  return vec4f(vec4<T>(bScalar[i], bScalar[i + 1u], bScalar[i + 2u], bScalar[i + 3u]));
}

// Zeros for k and behind where they are past the end.
fn maskAlong(v: vec4f, k: u32) -> vec4f { if (TAIL) { return select(vec4f(), v, vec4u(k) + FOUR < vec4u(kEnd)); } return v; }
fn maskAcross(v: vec4f, k: u32) -> vec4f { if (TAIL) { return select(vec4f(), v, k < kEnd); } return v; }

// Rows of A, whatever way they lie.
fn aBlock(k: u32) -> mat4x4f {
  let i = aAt + vec4u(k * select(1u, params.aRow, TRANSPOSE_A));
  let block = mat4x4f(aVector(i.x), aVector(i.y), aVector(i.z), aVector(i.w));
  if (TRANSPOSE_A) {
    return transpose(mat4x4f(maskAcross(block[0], k), maskAcross(block[1], k + 1u), maskAcross(block[2], k + 2u), maskAcross(block[3], k + 3u)));
  }
  return mat4x4f(maskAlong(block[0], k), maskAlong(block[1], k), maskAlong(block[2], k), maskAlong(block[3], k));
}

// Column j in its run, and how far it lies behind the first: fours of columns are `block` apart, and runs of them `run`.
fn inRun(j: u32) -> u32 { if (RUN == 0u) { return j; } return j & ((1u << RUN) - 1u); }
fn fromFirst(j: u32, block: u32, run: u32) -> u32 { return select((j >> RUN) * run, 0u, RUN == 0u) + (inRun(j) >> 2u) * block; }

// Vector r, as it lies in memory, of the block of B that this thread loads.
fn bPart(k: u32, r: u32) -> vec4f {
  let at = bAt + fromFirst(colLoaded, params.bBlock, params.bRun);
  if (TRANSPOSE_B) { return maskAlong(bVector(at + r * params.bRow + k), k); }
  return maskAcross(bVector(at + (k + r) * params.bRow), k + r);
}
// Rows of B along its columns.
fn bBlock(k: u32) -> mat4x4f {
  let block = mat4x4f(bPart(k, 0u), bPart(k, 1u), bPart(k, 2u), bPart(k, 3u));
  if (TRANSPOSE_B) { return transpose(block); }
  return block;
}

// Loads 16 steps along k for the workgroup.
fn shareBlocks(k: u32) {
  let left = aBlock(k + lane % 4u * 4u);
  let down = lane / 4u * 4u; // in the workgroup's rows, of which eight follow one another in a thread
  let aTo = lane % 4u * 64u + down % 8u * 8u + down / 8u;
  aShared[aTo] = left[0];
  aShared[aTo + 8u] = left[1];
  aShared[aTo + 16u] = left[2];
  aShared[aTo + 24u] = left[3];
  let right = bBlock(k + lane / 16u * 4u);
  let bTo = lane / 16u * 64u + lane % 16u;
  bShared[bTo] = right[0];
  bShared[bTo + 16u] = right[1];
  bShared[bTo + 32u] = right[2];
  bShared[bTo + 48u] = right[3];
}

// Block r of this thread's rows, and block j of its columns, in the i-th four of the steps that are there.
fn aOwn(i: u32, r: u32) -> mat4x4f {
  let at = i * 64u + r * 32u + lane % 8u;
  return mat4x4f(aShared[at], aShared[at + 8u], aShared[at + 16u], aShared[at + 24u]);
}
fn bOwn(i: u32, j: u32) -> mat4x4f {
  let at = i * 64u + lane / 8u * 2u + j;
  return mat4x4f(bShared[at], bShared[at + 16u], bShared[at + 32u], bShared[at + 48u]);
}

// Batch z along axes 0, 1 and 2.
fn alongAxes(z: u32) -> vec3u { return vec3u(z / params.size2 / params.size1, z / params.size2 % params.size1, z % params.size2); }

// Where batch z of the operands begins: up to three axes, along which an operand may be repeated.
fn enterBatch(z: u32) {
  let at = alongAxes(z);
  let aRows = select((rowLoaded + FOUR) * params.aRow, rowLoaded + FOUR * params.aRow, vec4<bool>(TRANSPOSE_A));
  aAt = aRows + params.aStart + at.x * params.a0 + at.y * params.a1 + at.z * params.a2;
  bAt = params.bStart + at.x * params.b0 + at.y * params.b1 + at.z * params.b2;
}

alias Tile = array<array<mat4x4f, 8>, 2>; // as in matmul.wgsl, of whose 8 blocks of columns two are there
fn gainedTile(before: Tile, i: u32) -> Tile {
  var c = before;
  let a0 = aOwn(i, 0u);
  let a1 = aOwn(i, 1u);
  let b0 = bOwn(i, 0u);
  let b1 = bOwn(i, 1u);
  c[0][0] += b0 * a0;
  c[0][1] += b1 * a0;
  c[1][0] += b0 * a1;
  c[1][1] += b1 * a1;
  return c;
}

// All threads take as many steps, as sharing asks for; masks do the rest.
fn gainedBatch(before: Tile, batch: u32, kStart: u32, kStop: u32) -> Tile {
  var c = before;
  enterBatch(batch);
  kEnd = kStop;
  for (var step = 0u; step < params.kChunk; step += 16u) {
    workgroupBarrier(); // all have read what the last turn shared
    shareBlocks(kStart + step);
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) { c = gainedTile(c, i); }
  }
  return c;
}

fn tileProduct(thread: u32, group: u32) -> Tile {
  lane = thread;
  let index = group * 8u + thread / 8u;
  let split = min(index / params.tiles, params.splits - 1u);
  let tile = index % params.tiles;
  let z = tile / (params.tilesM * params.tilesN);
  // Workgroups run down strips of 64 columns.
  let inBatch = tile % (params.tilesM * params.tilesN);
  let strip = inBatch / (8u * params.tilesM);
  let down = inBatch / 8u % params.tilesM * 64u;
  row = down + thread % 8u * 8u;
  col = strip * 64u + thread / 8u * 8u;
  rowLoaded = down + thread / 4u * 4u;
  colLoaded = strip * 64u + thread % 16u * 4u;
  let at = alongAxes(z);
  outAt = split * params.partSize + params.outStart + at.x * params.out0 + at.y * params.out1 + at.z * params.out2;
  if (index >= params.tiles * params.splits) { row = params.m; } // stores nothing
  let kStart = select(split * params.kChunk, 0u, SUM_BATCHES);
  let kStop = min(kStart + params.kChunk, params.k);
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
  var result = v;
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
fn matmul(@builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  storeVectors(tileProduct(thread, id.y * groups.x + id.x));
}

@compute @workgroup_size(THREADS)
fn matmulAnyN(@builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  storeScalars(tileProduct(thread, id.y * groups.x + id.x));
}
