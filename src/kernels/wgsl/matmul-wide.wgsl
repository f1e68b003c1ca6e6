enable subgroups;
// As matmul.wgsl, for large products where four lanes are a subgroup (SwiftShader): 8 rows of a thread and 64 columns, in whole vectors and
// without splits. SwiftShader's time goes to code, more than a cache holds, and to its stack, where each number has a place of its own: so
// a turn of the loop over k takes one step, in an order that frees registers early.
alias T = f32; // of the operands; products and sums are f32
alias S = f32; // of what is stored

struct MatmulParams {
  m: u32, n: u32, k: u32,
  tilesM: u32, tilesN: u32, tiles: u32, kChunk: u32, batches: u32,
  // Where the first matrix begins, and how far apart rows and the batches along axes 0, 1 and 2 are, in elements.
  aStart: u32, aRow: u32, a0: u32, a1: u32, a2: u32,
  bStart: u32, bRow: u32, b0: u32, b1: u32, b2: u32, bBlock: u32, bRun: u32,
  outStart: u32, outRow: u32, out0: u32, out1: u32, out2: u32, outRun: u32,
  size1: u32, size2: u32, // of the batch axes 1 and 2
  slope: f32,
  vectors: u32, width: u32, // 32, of a part of a tile; columns of a run that are there
}

override TRANSPOSE_A: bool = false;
override TRANSPOSE_B: bool = false;
override TAIL: bool = true; // the last step may reach past the end of k
override THREADS: u32 = 64u; // of a workgroup, a multiple of 4
override RUN: u32 = 0u; // log2 of the columns of a run, at least 2; 0: all are one run
override SUM_BATCHES: bool = false;
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u;

@group(0) @binding(0) var<uniform> params: MatmulParams;
@group(0) @binding(1) var<storage, read> a: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> bias: array<T>;
@group(0) @binding(4) var<storage, read> residual: array<T>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<S>>;
const FOUR = vec4u(0u, 1u, 2u, 3u);
var<private> lane: u32;
var<private> row: u32;
var<private> col: u32;
var<private> outAt: u32;
var<private> aAt: vec4u; // where the four vectors of this thread's first block of A begin
var<private> bAt: u32; // where B begins, or where all columns are one run, the tile's first
// Strides; these, aAt and bAt are counted in vectors: SwiftShader shifts lane by lane, so seldom in the loop over k.
var<private> rowA: u32;
var<private> rowB: u32;
var<private> blockB: u32;
// Zeros for k and behind where they are past the end.
fn maskAlong(v: vec4f, k: u32) -> vec4f { if (TAIL) { return select(vec4f(), v, vec4u(k) + FOUR < vec4u(params.k)); } return v; }
fn maskAcross(v: vec4f, k: u32) -> vec4f { if (TAIL) { return select(vec4f(), v, k < params.k); } return v; }

// Part i of a shared block is the one that lane (own XOR i) loaded. So what goes with these parts is put in that order.
fn ordered(v: vec4f) -> vec4f {
  let pairs = select(v, v.yxwz, (lane & 1u) != 0u);
  return select(pairs, pairs.zwxy, (lane & 2u) != 0u);
}
fn orderedBlock(block: mat4x4f) -> mat4x4f {
  if (TRANSPOSE_B) { return block; } // there the parts are columns of C, which are put in order as they are stored
  return mat4x4f(ordered(block[0]), ordered(block[1]), ordered(block[2]), ordered(block[3]));
}

// Block r of this thread's rows.
fn aBlock(k: u32, r: u32) -> mat4x4f {
  let i = aAt + vec4u(select((k >> 2u) + 4u * r * rowA, k * rowA + r, TRANSPOSE_A));
  let block = mat4x4f(vec4f(a[i.x]), vec4f(a[i.y]), vec4f(a[i.z]), vec4f(a[i.w]));
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
fn fromTile(j: u32) -> u32 { if (RUN == 0u) { return (j >> 2u) * blockB; } return fromFirst(col + j, blockB, params.bRun >> 2u); }
// Vector r of it, as it lies in memory.
fn bPart(k: u32, j: u32, r: u32) -> vec4f {
  if (TRANSPOSE_B) { return maskAlong(vec4f(b[bAt + fromTile(j) + r * rowB + (k >> 2u)]), k); }
  return maskAcross(vec4f(b[bAt + fromTile(j) + (k + r) * rowB]), k + r);
}

// Lanes swap what they loaded.
fn bBlock(k: u32, j: u32) -> mat4x4f {
  let own = bPart(k, j, lane);
  let block = mat4x4f(own, quadSwapX(own), quadSwapY(own), quadSwapDiagonal(own));
  if (TRANSPOSE_B) { return transpose(block); }
  return block;
}
// Batch z along axes 0, 1 and 2.
fn alongAxes(z: u32) -> vec3u { return vec3u(z / params.size2 / params.size1, z / params.size2 % params.size1, z % params.size2); }

// Where batch z of the operands begins: up to three axes, along which an operand may be repeated.
fn enterBatch(z: u32) {
  let at = alongAxes(z);
  rowA = params.aRow >> 2u;
  rowB = params.bRow >> 2u;
  blockB = params.bBlock >> 2u;
  let aRows = select((row + FOUR) * params.aRow, row + FOUR * params.aRow, vec4<bool>(TRANSPOSE_A));
  let first = aRows + params.aStart + at.x * params.a0 + at.y * params.a1 + at.z * params.a2;
  aAt = first >> vec4u(2u);
  bAt = (params.bStart + at.x * params.b0 + at.y * params.b1 + at.z * params.b2) >> 2u;
  if (RUN == 0u) { bAt += fromFirst(col, blockB, 0u); }
}

// The thread's number, counted such that those of a group follow one another: how a subgroup is filled is up to the adapter.
fn inQuads(thread: u32, subgroupLane: u32) -> u32 {
  return quadBroadcast(thread, 0u) / 4u * 4u + subgroupLane % 4u;
}

// c + b · a number by number, so that SwiftShader keeps a sum in registers; of whole products it keeps the parts on the stack.
fn gainedSum(c: f32, b: vec4f, a: vec4f) -> f32 { return c + b.x * a.x + b.y * a.y + b.z * a.z + b.w * a.w; }
fn gainedRow(c: vec4f, t: mat4x4f, a: vec4f) -> vec4f {
  return vec4f(gainedSum(c.x, t[0], a), gainedSum(c.y, t[1], a), gainedSum(c.z, t[2], a), gainedSum(c.w, t[3], a));
}
fn gainedBlock(c: mat4x4f, b: mat4x4f, a: mat4x4f) -> mat4x4f {
  let t = transpose(b);
  return mat4x4f(gainedRow(c[0], t, a[0]), gainedRow(c[1], t, a[1]), gainedRow(c[2], t, a[2]), gainedRow(c[3], t, a[3]));
}

alias Tile = array<array<mat4x4f, 8>, 4>; // 32 columns of the first and of the second 4 rows, then the next 32 columns
fn gain(c: ptr<function, Tile>, part: u32, j: u32, b: mat4x4f, a0: mat4x4f, a1: mat4x4f) {
  (*c)[part + 1u][j] = gainedBlock((*c)[part + 1u][j], b, a1);
  (*c)[part][j] = gainedBlock((*c)[part][j], b, a0);
}

// The last sums come first: SwiftShader carries the first ones over to the next turn before it needs the registers of the others.
fn gainedTile(before: Tile, k: u32) -> Tile {
  var c = before;
  let a0 = aBlock(k, 0u);
  let a1 = aBlock(k, 1u);
  gain(&c, 2u, 7u, bBlock(k, 60u), a0, a1);
  gain(&c, 2u, 6u, bBlock(k, 56u), a0, a1);
  gain(&c, 2u, 5u, bBlock(k, 52u), a0, a1);
  gain(&c, 2u, 4u, bBlock(k, 48u), a0, a1);
  gain(&c, 2u, 3u, bBlock(k, 44u), a0, a1);
  gain(&c, 2u, 2u, bBlock(k, 40u), a0, a1);
  gain(&c, 2u, 1u, bBlock(k, 36u), a0, a1);
  gain(&c, 2u, 0u, bBlock(k, 32u), a0, a1);
  gain(&c, 0u, 7u, bBlock(k, 28u), a0, a1);
  gain(&c, 0u, 6u, bBlock(k, 24u), a0, a1);
  gain(&c, 0u, 5u, bBlock(k, 20u), a0, a1);
  gain(&c, 0u, 4u, bBlock(k, 16u), a0, a1);
  gain(&c, 0u, 3u, bBlock(k, 12u), a0, a1);
  gain(&c, 0u, 2u, bBlock(k, 8u), a0, a1);
  gain(&c, 0u, 1u, bBlock(k, 4u), a0, a1);
  gain(&c, 0u, 0u, bBlock(k, 0u), a0, a1);
  return c;
}
// All threads take as many steps, as sharing asks for; masks do the rest.
fn gainedBatch(before: Tile, batch: u32) -> Tile {
  var c = before;
  enterBatch(batch);
  for (var step = 0u; step < params.kChunk; step += 4u) { c = gainedTile(c, step); }
  return c;
}

fn tileProduct(thread: u32, group: u32) -> Tile {
  let index = group * (THREADS / 4u) + thread / 4u;
  let tile = index % params.tiles;
  let z = tile / (params.tilesM * params.tilesN);
  // Tiles run down strips of 4 column tiles, so that a workgroup of 64 threads covers a square.
  let inBatch = tile % (params.tilesM * params.tilesN);
  let strip = inBatch / (4u * params.tilesM);
  let width = min(4u, params.tilesN - 4u * strip);
  let inStrip = inBatch - 4u * params.tilesM * strip;
  lane = thread % 4u;
  row = (inStrip / width * 4u + lane) * 8u;
  col = (strip * 4u + inStrip % width) * 64u;
  let at = alongAxes(z);
  outAt = params.outStart + at.x * params.out0 + at.y * params.out1 + at.z * params.out2;
  if (index >= params.tiles) { row = params.m; } // stores nothing
  // Where no batches are summed, gainedBatch's loop stands alone: one around it would carry the tile once more, for SwiftShader a turn's time.
  var c = Tile();
  if (!SUM_BATCHES) { c = gainedBatch(c, z); }
  else {
    for (var batch = 0u; batch < params.batches; batch++) { c = gainedBatch(c, batch); }
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
  for (var part = 0u; part < 4u; part++) {
    var blocks = c[0];
    if (part == 1u) { blocks = c[1]; }
    if (part == 2u) { blocks = c[2]; }
    if (part == 3u) { blocks = c[3]; }
    for (var i = 0u; i < params.vectors; i++) {
      let down = row + 4u * (part % 2u) + i % 4u;
      let j = col + 32u * (part / 2u) + i / 4u * 4u;
      let at = outAt + down * params.outRow + fromFirst(j, 4u, params.outRun);
      if (down < params.m && j < params.n) { out[at / 4u] = vec4<S>(finished(blocks[i / 4u][i % 4u], inRun(j), at)); }
    }
  }
}

@compute @workgroup_size(THREADS)
fn matmul(@builtin(local_invocation_index) thread: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,
  @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  storeVectors(tileProduct(inQuads(thread, subgroupLane), id.y * groups.x + id.x));
}
