// Copies that rearrange elements. Every 4-byte element type is moved as a u32 word, so its bits are preserved;
// f16 has T = f16.
//
// vectors, elements:  out[i] = x[start + sum_k index_k(i) * s_k], out dense of n_{rank-1} x … x n0 (axis 0 innermost).
//   Strides wrap (u32), so an axis may run backwards; a stride of 0 repeats. A thread writes one vec4 of out.
//   vectors: n0, every stride and start are counted in vec4 units, and the innermost axis is contiguous in x.
// tiles: the innermost axis of out and the one contiguous in x differ. A thread moves a 4 x 4 block: four vec4 loads
//   along x, four vec4 stores along out. Axes are counted in blocks, strides in vec4 units.
// place: out[before + step * index] = x[index] in every axis, `value` elsewhere; x dense. A thread writes one vec4 of out.
//   placeVectors: the innermost axis (which has step 1) is counted in vec4 units.
// insert: out[start + row * pitch + column] = x[row * width + column]: x becomes a block of columns of out.
//   A thread moves one vec4 (insertVectors, all counted in vec4 units) or one element.

alias T = u32;

struct WalkParams {
  count: u32, rank: u32, start: u32, inner: u32, outer: u32,
  n0: u32, n1: u32, n2: u32, n3: u32, n4: u32,
  s0: u32, s1: u32, s2: u32, s3: u32, s4: u32,
}
struct TileParams {
  count: u32, rank: u32, start: u32, xRow: u32, outRow: u32, outer: u32, outOuter: u32,
  n0: u32, n1: u32, n2: u32, n3: u32, n4: u32,
  s0: u32, s1: u32, s2: u32, s3: u32, s4: u32,
  d0: u32, d1: u32, d2: u32, d3: u32, d4: u32,
}
struct PlaceParams {
  count: u32, size: u32, value: T,
  n0: u32, n1: u32, n2: u32, n3: u32, n4: u32,
  before0: u32, before1: u32, before2: u32, before3: u32, before4: u32, before5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  limit0: u32, limit1: u32, limit2: u32, limit3: u32, limit4: u32, limit5: u32,
}
struct InsertParams { count: u32, start: u32, width: u32, pitch: u32 }

@group(0) @binding(0) var<uniform> walk: WalkParams;
@group(0) @binding(0) var<uniform> tile: TileParams;
@group(0) @binding(0) var<uniform> place: PlaceParams;
@group(0) @binding(0) var<uniform> insertion: InsertParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> outScalar: array<T>;

// Where element i of out comes from. The branches are uniform; the outermost axis needs no division.
fn locate(i: u32) -> u32 {
  var rest = i;
  var at = walk.start;
  if (walk.rank > 1u) { let q = rest / walk.n0; at += (rest - q * walk.n0) * walk.s0; rest = q; }
  if (walk.rank > 2u) { let q = rest / walk.n1; at += (rest - q * walk.n1) * walk.s1; rest = q; }
  if (walk.rank > 3u) { let q = rest / walk.n2; at += (rest - q * walk.n2) * walk.s2; rest = q; }
  if (walk.rank > 4u) { let q = rest / walk.n3; at += (rest - q * walk.n3) * walk.s3; rest = q; }
  if (walk.rank > 5u) { let q = rest / walk.n4; at += (rest - q * walk.n4) * walk.s4; rest = q; }
  return at + rest * walk.outer;
}

@compute @workgroup_size(64)
fn vectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < walk.count) { out[i] = x[locate(i)]; }
}

@compute @workgroup_size(64)
fn elements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= walk.count) { return; }
  let first = locate(4u * i);
  var at = first + walk.inner * vec4u(0u, 1u, 2u, 3u);
  // A vec4 that crosses the end of the innermost axis has to be located element by element.
  if (walk.rank > 1u && walk.n0 % 4u != 0u) {
    at = vec4u(first, locate(4u * i + 1u), locate(4u * i + 2u), locate(4u * i + 3u));
  }
  out[i] = vec4<T>(xScalar[at.x], xScalar[at.y], xScalar[at.z], xScalar[at.w]);
}

@compute @workgroup_size(64)
fn tiles(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= tile.count) { return; }
  var rest = i;
  var at = tile.start;
  var to = 0u;
  if (tile.rank > 1u) { let q = rest / tile.n0; let k = rest - q * tile.n0; at += k * tile.s0; to += k * tile.d0; rest = q; }
  if (tile.rank > 2u) { let q = rest / tile.n1; let k = rest - q * tile.n1; at += k * tile.s1; to += k * tile.d1; rest = q; }
  if (tile.rank > 3u) { let q = rest / tile.n2; let k = rest - q * tile.n2; at += k * tile.s2; to += k * tile.d2; rest = q; }
  if (tile.rank > 4u) { let q = rest / tile.n3; let k = rest - q * tile.n3; at += k * tile.s3; to += k * tile.d3; rest = q; }
  if (tile.rank > 5u) { let q = rest / tile.n4; let k = rest - q * tile.n4; at += k * tile.s4; to += k * tile.d4; rest = q; }
  at += rest * tile.outer;
  to += rest * tile.outOuter;
  let a = x[at];
  let b = x[at + tile.xRow];
  let c = x[at + 2u * tile.xRow];
  let d = x[at + 3u * tile.xRow];
  out[to] = vec4<T>(a.x, b.x, c.x, d.x);
  out[to + tile.outRow] = vec4<T>(a.y, b.y, c.y, d.y);
  out[to + 2u * tile.outRow] = vec4<T>(a.z, b.z, c.z, d.z);
  out[to + 3u * tile.outRow] = vec4<T>(a.w, b.w, c.w, d.w);
}

// Adds one axis to (position in x, number of axes outside x), outermost axis first.
fn placeAxis(at: vec2u, index: u32, before: u32, step: u32, limit: u32) -> vec2u {
  let from_begin = index - before;
  let k = from_begin / step;
  let outside = k >= limit || k * step != from_begin;
  return vec2u(at.x * limit + k, at.y + select(0u, 1u, outside));
}

fn source(i: u32) -> vec2u {
  let q0 = i / place.n0;
  let q1 = q0 / place.n1;
  let q2 = q1 / place.n2;
  let q3 = q2 / place.n3;
  let q4 = q3 / place.n4;
  var at = placeAxis(vec2u(0u), q4, place.before5, place.step5, place.limit5);
  at = placeAxis(at, q3 - q4 * place.n4, place.before4, place.step4, place.limit4);
  at = placeAxis(at, q2 - q3 * place.n3, place.before3, place.step3, place.limit3);
  at = placeAxis(at, q1 - q2 * place.n2, place.before2, place.step2, place.limit2);
  at = placeAxis(at, q0 - q1 * place.n1, place.before1, place.step1, place.limit1);
  return placeAxis(at, i - q0 * place.n0, place.before0, place.step0, place.limit0);
}

@compute @workgroup_size(64)
fn placeVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= place.count) { return; }
  let at = source(i);
  out[i] = select(vec4<T>(place.value), x[min(at.x, place.size)], at.y == 0u);
}

fn placed(i: u32) -> T {
  let at = source(i);
  return select(place.value, xScalar[min(at.x, place.size)], at.y == 0u);
}

@compute @workgroup_size(64)
fn placeElements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= place.count) { return; }
  out[i] = vec4<T>(placed(4u * i), placed(4u * i + 1u), placed(4u * i + 2u), placed(4u * i + 3u));
}

fn insertAt(i: u32) -> u32 {
  let row = i / insertion.width;
  return insertion.start + row * insertion.pitch + (i - row * insertion.width);
}

@compute @workgroup_size(64)
fn insertVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < insertion.count) { out[insertAt(i)] = x[i]; }
}

@compute @workgroup_size(64)
fn insertElements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < insertion.count) { outScalar[insertAt(i)] = xScalar[i]; }
}
