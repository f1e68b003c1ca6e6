// Resizing of one axis. x [outer, n, inner], out [outer, m, inner]; inner is counted in vec4 units in the …Vectors entries.
//
// Output o lies at the rational position max(o * times + plus - minus, 0) / over of the input, in whole numbers, so that
// weights are exact:  half-pixel centres (o + 1/2) n / m - 1/2;  aligned corners o (n - 1) / (m - 1);  nearest o n / m.
// resize:  out[o] = (1 - f) x[k] + f x[k + 1] with k the whole part and f the fraction (0 for nearest)
// adjoint: out[k] = sum over o of weight(o, k) g[o], o ascending; here x is g (length m) and out has length n
// A thread computes one vec4 of out.

struct ResizeParams {
  count: u32, n: u32, m: u32, inner: u32, times: u32, plus: u32, minus: u32, over: u32, nearest: u32,
}

@group(0) @binding(0) var<uniform> axis: ResizeParams;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> xScalar: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

// Outer index, index along the axis, inner index of element i of a tensor with `length` along the axis.
fn locate(i: u32, length: u32) -> vec3u {
  let row = i / axis.inner;
  let o = row / length;
  return vec3u(o, row - o * length, i - row * axis.inner);
}

struct Source { low: u32, high: u32, fraction: f32 }

fn source(o: u32) -> Source {
  let t = max(o * axis.times + axis.plus, axis.minus) - axis.minus;
  let k = t / axis.over;
  let fraction = select(f32(t - k * axis.over) / f32(axis.over), 0.0, axis.nearest == 1u);
  return Source(k, min(k + 1u, axis.n - 1u), fraction);
}

@compute @workgroup_size(64)
fn resizeVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= axis.count) { return; }
  let at = locate(i, axis.m);
  let place = source(at.y);
  let first = at.x * axis.n;
  let low = x[(first + place.low) * axis.inner + at.z];
  let high = x[(first + place.high) * axis.inner + at.z];
  // An element of weight 0 has no say, even if it is not finite.
  out[i] = select((1.0 - place.fraction) * low + place.fraction * high, low, place.fraction == 0.0);
}

fn resized(i: u32) -> f32 {
  let at = locate(i, axis.m);
  let place = source(at.y);
  let first = at.x * axis.n;
  let low = xScalar[(first + place.low) * axis.inner + at.z];
  let high = xScalar[(first + place.high) * axis.inner + at.z];
  return select((1.0 - place.fraction) * low + place.fraction * high, low, place.fraction == 0.0);
}

@compute @workgroup_size(64)
fn resizeElements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= axis.count) { return; }
  out[i] = vec4f(resized(4u * i), resized(4u * i + 1u), resized(4u * i + 2u), resized(4u * i + 3u));
}

// A range [x, y) of outputs that holds all that input k has a weight in.
fn users(k: u32) -> vec2u {
  let step = max(axis.times, 1u);
  let first = (max((max(k, 1u) - 1u) * axis.over + axis.minus, axis.plus) - axis.plus) / step;
  let last = (max((k + 1u) * axis.over + axis.minus, axis.plus) - axis.plus) / step;
  // Beyond its ends the input is continued: all outputs there use the first or the last element.
  return vec2u(select(first, 0u, k == 0u), select(min(last + 1u, axis.m), axis.m, k + 1u == axis.n));
}

fn weight(o: u32, k: u32) -> f32 {
  let place = source(o);
  return select(0.0, 1.0 - place.fraction, place.low == k) + select(0.0, place.fraction, place.high == k);
}

@compute @workgroup_size(64)
fn adjointVectors(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= axis.count) { return; }
  let at = locate(i, axis.n);
  let range = users(at.y);
  var sum = vec4f(0.0);
  for (var o = range.x; o < range.y; o++) {
    let w = weight(o, at.y);
    sum += select(vec4f(0.0), w * x[(at.x * axis.m + o) * axis.inner + at.z], w > 0.0);
  }
  out[i] = sum;
}

fn adjoint(i: u32) -> f32 {
  let at = locate(i, axis.n);
  let range = users(at.y);
  var sum = 0.0;
  for (var o = range.x; o < range.y; o++) {
    let w = weight(o, at.y);
    sum += select(0.0, w * xScalar[(at.x * axis.m + o) * axis.inner + at.z], w > 0.0);
  }
  return sum;
}

@compute @workgroup_size(64)
fn adjointElements(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= axis.count) { return; }
  out[i] = vec4f(adjoint(4u * i), adjoint(4u * i + 1u), adjoint(4u * i + 2u), adjoint(4u * i + 3u));
}
