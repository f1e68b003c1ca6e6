// Rows picked by index. x [outer, n, width], indices [k] (i32 or u32 words), out [outer, k, width].
//
// gather:   out[o, k, w] = x[o, indices[k], w], or the word `fill` where the index is not in [0, n). Bits are preserved.
// scatter:  out[o, n, w] = sum over k with indices[k] = n of g[o, k, w], k ascending: the adjoint of gather, without atomics.
//           Every output scans all indices. width is counted in vec4 units in the …Vectors entries.
// oneHot:   out[k, c] = 1 where indices[k] = c, else 0.
// A thread writes one vec4 of out, in scatterElements one element.

alias T = u32; // or f16, of which two fill a word

struct GatherParams { count: u32, n: u32, k: u32, width: u32, fill: T }
struct OneHotParams { count: u32, classes: u32 }

@group(0) @binding(0) var<uniform> params: GatherParams;
@group(0) @binding(0) var<uniform> oneHotParams: OneHotParams;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> gScalar: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<T>>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> sumsScalar: array<f32>;

// Position in x of output position i, and the index it was picked by.
fn pick(i: u32) -> vec2u {
  let row = i / params.width;
  let o = row / params.k;
  let index = indices[row - o * params.k];
  return vec2u((o * params.n + min(index, params.n - 1u)) * params.width + i - row * params.width, index);
}

@compute @workgroup_size(64)
fn gatherVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= params.count) { return; }
  let at = pick(i);
  out[i] = select(vec4<T>(params.fill), x[at.x], at.y < params.n);
}

fn gathered(i: u32) -> T {
  let at = pick(i);
  return select(params.fill, xScalar[at.x], at.y < params.n);
}

@compute @workgroup_size(64)
fn gatherElements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= params.count) { return; }
  out[i] = vec4<T>(gathered(4u * i), gathered(4u * i + 1u), gathered(4u * i + 2u), gathered(4u * i + 3u));
}

@compute @workgroup_size(64)
fn scatterVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= params.count) { return; }
  let row = i / params.width;
  let o = row / params.n;
  let index = row - o * params.n;
  let first = o * params.k * params.width + i - row * params.width;
  var sum = vec4f(0.0);
  for (var k = 0u; k < params.k; k++) {
    if (indices[k] == index) { sum += g[first + k * params.width]; }
  }
  sums[i] = sum;
}

@compute @workgroup_size(64)
fn scatterElements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= params.count) { return; }
  let row = i / params.width;
  let o = row / params.n;
  let index = row - o * params.n;
  let first = o * params.k * params.width + i - row * params.width;
  var sum = 0.0;
  for (var k = 0u; k < params.k; k++) {
    if (indices[k] == index) { sum += gScalar[first + k * params.width]; }
  }
  sumsScalar[i] = sum;
}

fn hot(i: u32) -> f32 {
  let row = i / oneHotParams.classes;
  return select(0.0, 1.0, indices[row] == i - row * oneHotParams.classes);
}

@compute @workgroup_size(64)
fn oneHot(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= oneHotParams.count) { return; }
  sums[i] = vec4f(hot(4u * i), hot(4u * i + 1u), hot(4u * i + 2u), hot(4u * i + 3u));
}
