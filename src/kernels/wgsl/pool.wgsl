// Pooling over windows of up to three spatial axes. x [N, D, H, W, C], out and g [N, OD, OH, OW, C]; C is counted in vec4
// units except in the …Scalar entries. Window o of an axis covers [o * stride - pad, o * stride - pad + size) within the
// input. A position is (d * H + h) * W + w.
//
// maxPool:       out = the largest element of the window; NaN wins
// maxPoolIndex:  out = the position of the first largest element of the window
// maxPoolPick:   out[o] = x[index[o]]
// maxPoolGrad:   out[i] = vec4<T>(sum of g[o] over the windows o with index[o] = i
// avgPool:       out = sum over the window / (its elements, or size where includePad)
// avgPoolGrad:   out[i] = sum over the windows o with i in them of g[o] / (their divisor)
// A thread computes one vec4 (…Scalar: one element) of out. The gradients gather, in a fixed order: no atomics.

alias T = f32; // what is stored; sums are f32

struct PoolParams {
  count: u32, channels: u32, includePad: u32,
  inD: u32, inH: u32, inW: u32, outD: u32, outH: u32, outW: u32,
  sizeD: u32, sizeH: u32, sizeW: u32, strideD: u32, strideH: u32, strideW: u32, padD: u32, padH: u32, padW: u32,
}

@group(0) @binding(0) var<uniform> pool: PoolParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read> index: array<vec4u>;
@group(0) @binding(2) var<storage, read> indexScalar: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<T>>;
@group(0) @binding(3) var<storage, read_write> outScalar: array<T>;
@group(0) @binding(3) var<storage, read_write> outIndex: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> outIndexScalar: array<u32>;

// A place in a tensor: sample, spatial indices (d, h, w), channel.
struct Cell { n: u32, at: vec3u, c: u32 }
// Indices [first, end) of each axis.
struct Span { first: vec3u, end: vec3u }

fn inDims() -> vec3u { return vec3u(pool.inD, pool.inH, pool.inW); }
fn outDims() -> vec3u { return vec3u(pool.outD, pool.outH, pool.outW); }
fn size() -> vec3u { return vec3u(pool.sizeD, pool.sizeH, pool.sizeW); }
fn stride() -> vec3u { return vec3u(pool.strideD, pool.strideH, pool.strideW); }
fn pad() -> vec3u { return vec3u(pool.padD, pool.padH, pool.padW); }

fn cell(i: u32, dims: vec3u) -> Cell {
  let ndhw = i / pool.channels;
  let ndh = ndhw / dims.z;
  let nd = ndh / dims.y;
  let n = nd / dims.x;
  return Cell(n, vec3u(nd - n * dims.x, ndh - nd * dims.y, ndhw - ndh * dims.z), i - ndhw * pool.channels);
}

fn position(d: u32, h: u32, w: u32, dims: vec3u) -> u32 { return (d * dims.y + h) * dims.z + w; }

// First element of a sample and channel; positions are `channels` apart.
fn sampleStart(at: Cell, dims: vec3u) -> u32 { return at.n * dims.x * dims.y * dims.z * pool.channels + at.c; }

// The input elements of window `o`. Padding is at most half the size, so there is at least one.
fn window(o: vec3u) -> Span {
  let start = o * stride();
  return Span(max(start, pad()) - pad(), min(start + size(), inDims() + pad()) - pad());
}

// The windows that cover input element `i`.
fn covering(i: vec3u) -> Span {
  let reach = i + pad();
  let first = (max(reach + 1u, size()) - size() + stride() - 1u) / stride();
  return Span(first, min(reach / stride() + 1u, outDims()));
}

fn divisor(o: vec3u) -> f32 {
  let span = window(o);
  let n = select(span.end - span.first, size(), pool.includePad == 1u);
  return f32(n.x * n.y * n.z);
}

fn isNan(v: vec4f) -> vec4<bool> { return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u); }

struct Largest { value: vec4f, at: vec4u }

fn largest(i: u32) -> Largest {
  let here = cell(i, outDims());
  let start = sampleStart(here, inDims());
  let span = window(here.at);
  let first = position(span.first.x, span.first.y, span.first.z, inDims());
  var best = Largest(vec4f(x[start + first * pool.channels]), vec4u(first));
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        let at = position(d, h, w, inDims());
        let value = vec4f(x[start + at * pool.channels]);
        let larger = (isNan(value) | (value > best.value)) & !isNan(best.value);
        best.value = select(best.value, value, larger);
        best.at = select(best.at, vec4u(at), larger);
      }
    }
  }
  return best;
}

@compute @workgroup_size(64)
fn maxPool(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < pool.count) { out[i] = vec4<T>(largest(i).value); }
}

@compute @workgroup_size(64)
fn maxPoolIndex(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < pool.count) { outIndex[i] = largest(i).at; }
}

@compute @workgroup_size(64)
fn maxPoolPick(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let start = sampleStart(cell(i, outDims()), inDims());
  let at = start + index[i] * pool.channels;
  out[i] = vec4<T>(x[at.x].x, x[at.y].y, x[at.z].z, x[at.w].w);
}

@compute @workgroup_size(64)
fn maxPoolGrad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let here = cell(i, inDims());
  let start = sampleStart(here, outDims());
  let own = vec4u(position(here.at.x, here.at.y, here.at.z, inDims()));
  let span = covering(here.at);
  var sum = vec4f(0.0);
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        let at = start + position(d, h, w, outDims()) * pool.channels;
        sum += select(vec4f(0.0), vec4f(x[at]), index[at] == own);
      }
    }
  }
  out[i] = vec4<T>(sum);
}

@compute @workgroup_size(64)
fn avgPool(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let here = cell(i, outDims());
  let start = sampleStart(here, inDims());
  let span = window(here.at);
  var sum = vec4f(0.0);
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        sum += vec4f(x[start + position(d, h, w, inDims()) * pool.channels]);
      }
    }
  }
  out[i] = vec4<T>(sum / divisor(here.at));
}

@compute @workgroup_size(64)
fn avgPoolGrad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let here = cell(i, inDims());
  let start = sampleStart(here, outDims());
  let span = covering(here.at);
  var sum = vec4f(0.0);
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        sum += vec4f(x[start + position(d, h, w, outDims()) * pool.channels]) / divisor(vec3u(d, h, w));
      }
    }
  }
  out[i] = vec4<T>(sum);
}

// The same, one element a thread.

fn isNanScalar(v: f32) -> bool { return (bitcast<u32>(v) & u32(0x7fffffffu)) > u32(0x7f800000u); }

struct LargestScalar { value: f32, at: u32 }

fn largestScalar(i: u32) -> LargestScalar {
  let here = cell(i, outDims());
  let start = sampleStart(here, inDims());
  let span = window(here.at);
  let first = position(span.first.x, span.first.y, span.first.z, inDims());
  var best = LargestScalar(f32(xScalar[start + first * pool.channels]), u32(first));
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        let at = position(d, h, w, inDims());
        let value = f32(xScalar[start + at * pool.channels]);
        let larger = (isNanScalar(value) | (value > best.value)) & !isNanScalar(best.value);
        best.value = select(best.value, value, larger);
        best.at = select(best.at, u32(at), larger);
      }
    }
  }
  return best;
}

@compute @workgroup_size(64)
fn maxPoolScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < pool.count) { outScalar[i] = T(largestScalar(i).value); }
}

@compute @workgroup_size(64)
fn maxPoolIndexScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < pool.count) { outIndexScalar[i] = largestScalar(i).at; }
}

@compute @workgroup_size(64)
fn maxPoolPickScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let start = sampleStart(cell(i, outDims()), inDims());
  let at = start + indexScalar[i] * pool.channels;
  outScalar[i] = xScalar[at];
}

@compute @workgroup_size(64)
fn maxPoolGradScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let here = cell(i, inDims());
  let start = sampleStart(here, outDims());
  let own = u32(position(here.at.x, here.at.y, here.at.z, inDims()));
  let span = covering(here.at);
  var sum = f32(0.0);
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        let at = start + position(d, h, w, outDims()) * pool.channels;
        sum += select(f32(0.0), f32(xScalar[at]), indexScalar[at] == own);
      }
    }
  }
  outScalar[i] = T(sum);
}

@compute @workgroup_size(64)
fn avgPoolScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let here = cell(i, outDims());
  let start = sampleStart(here, inDims());
  let span = window(here.at);
  var sum = f32(0.0);
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        sum += f32(xScalar[start + position(d, h, w, inDims()) * pool.channels]);
      }
    }
  }
  outScalar[i] = T(sum / divisor(here.at));
}

@compute @workgroup_size(64)
fn avgPoolGradScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= pool.count) { return; }
  let here = cell(i, inDims());
  let start = sampleStart(here, outDims());
  let span = covering(here.at);
  var sum = f32(0.0);
  for (var d = span.first.x; d < span.end.x; d++) {
    for (var h = span.first.y; h < span.end.y; h++) {
      for (var w = span.first.z; w < span.end.z; w++) {
        sum += f32(xScalar[start + position(d, h, w, outDims()) * pool.channels]) / divisor(vec3u(d, h, w));
      }
    }
  }
  outScalar[i] = T(sum);
}
