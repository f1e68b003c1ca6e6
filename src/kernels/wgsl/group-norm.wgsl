// x [samples, spatial, groups, width]; the elements of a sample and group (spatial·width of them) are a cell:
//   y = (x − mean)·r·gamma + beta with r = 1/√(variance + epsilon), mean and variance those of the cell;
//   dx = r·(h − Σ h/n − (x − mean)·r·Σ h·(x − mean)·r/n) with h = g·gamma and n = spatial·width.
// Layer normalisation is spatial = groups = 1. gamma and beta are [groups·width]; without them 1 and 0.
// stats keeps (mean, r) of each cell. threads…: a thread has one cell. groups…: a workgroup of LANES threads has one.
// …4: elements are vec4 (width divisible by 4).
// channelSums: partial [2, chunks, channels up to a multiple of 4] = Σ g and Σ g·(x − mean)·r over chunkRows rows of
// [samples·spatial, channels]; a thread has one chunk of one channel or four. batch-norm.wgsl combines the chunks.
alias T = f32; // of x, y and g; what belongs to a channel is f32
override LANES: u32 = 64;

struct CellParams { samples: u32, spatial: u32, groups: u32, width: u32, hasGamma: u32, hasBeta: u32, epsilon: f32 }
struct SumParams { rows: u32, spatial: u32, groups: u32, width: u32, chunkRows: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> p: CellParams;
@group(0) @binding(0) var<uniform> s: SumParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(2) var<storage, read> gammaScalar: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<vec4f>;
@group(0) @binding(3) var<storage, read> betaScalar: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> yScalar: array<T>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> savedStats: array<vec2f>;
@group(0) @binding(3) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> gScalar: array<T>;
@group(0) @binding(4) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partialScalar: array<f32>;
var<workgroup> scratch: array<vec2f, LANES>;

// A cell as one of `lanes` threads sees it: positions i, i + iStep, … and channels k, k + kStep, … of the group.
struct Walk { base: u32, channel: u32, pitch: u32, width: u32, i: u32, iStep: u32, k: u32, kStep: u32 }

// `width` is that of a group in elements of the buffer (scalars or vec4).
fn walk(cell: u32, width: u32, lane: u32, lanes: u32) -> Walk {
  let pitch = p.groups * width;
  let channel = cell % p.groups * width;
  let across = min(lanes, width);
  let down = lanes / across;
  // Lanes that do not fit start behind the last position.
  let i = select(lane / across, p.spatial, lane / across >= down);
  return Walk(cell / p.groups * p.spatial * pitch + channel, channel, pitch, width, i, down, lane % across, across);
}

fn count() -> f32 { return f32(p.spatial * p.width); }
fn scale4(at: u32) -> vec4f { return select(vec4f(1.0), gamma[at], p.hasGamma != 0u); }
fn scale1(at: u32) -> f32 { return select(1.0, gammaScalar[at], p.hasGamma != 0u); }

fn sum4(w: Walk) -> f32 {
  var total = vec4f(0.0);
  for (var i = w.i; i < p.spatial; i += w.iStep) {
    for (var k = w.k; k < w.width; k += w.kStep) { total += vec4f(x[w.base + i * w.pitch + k]); }
  }
  return total.x + total.y + total.z + total.w;
}

fn squares4(w: Walk, mean: f32) -> f32 {
  var total = vec4f(0.0);
  for (var i = w.i; i < p.spatial; i += w.iStep) {
    for (var k = w.k; k < w.width; k += w.kStep) {
      let d = vec4f(x[w.base + i * w.pitch + k]) - mean;
      total += d * d;
    }
  }
  return total.x + total.y + total.z + total.w;
}

fn store4(w: Walk, mean: f32, r: f32) {
  for (var k = w.k; k < w.width; k += w.kStep) {
    let scale = scale4(w.channel + k) * r;
    let shift = select(vec4f(0.0), beta[w.channel + k], p.hasBeta != 0u);
    for (var i = w.i; i < p.spatial; i += w.iStep) {
      let at = w.base + i * w.pitch + k;
      y[at] = vec4<T>((vec4f(x[at]) - mean) * scale + shift);
    }
  }
}

fn sum1(w: Walk) -> f32 {
  var total = 0.0;
  for (var i = w.i; i < p.spatial; i += w.iStep) {
    for (var k = w.k; k < w.width; k += w.kStep) { total += f32(xScalar[w.base + i * w.pitch + k]); }
  }
  return total;
}

fn squares1(w: Walk, mean: f32) -> f32 {
  var total = 0.0;
  for (var i = w.i; i < p.spatial; i += w.iStep) {
    for (var k = w.k; k < w.width; k += w.kStep) {
      let d = f32(xScalar[w.base + i * w.pitch + k]) - mean;
      total += d * d;
    }
  }
  return total;
}

fn store1(w: Walk, mean: f32, r: f32) {
  for (var k = w.k; k < w.width; k += w.kStep) {
    let scale = scale1(w.channel + k) * r;
    let shift = select(0.0, betaScalar[w.channel + k], p.hasBeta != 0u);
    for (var i = w.i; i < p.spatial; i += w.iStep) {
      let at = w.base + i * w.pitch + k;
      yScalar[at] = T((f32(xScalar[at]) - mean) * scale + shift);
    }
  }
}

fn laneSum(lane: u32, v: vec2f) -> vec2f {
  scratch[lane] = v;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) { scratch[lane] += scratch[lane + half]; }
    workgroupBarrier();
  }
  let total = scratch[0];
  workgroupBarrier();
  return total;
}

fn deviation(squares: f32) -> f32 { return inverseSqrt(squares / count() + p.epsilon); }

@compute @workgroup_size(64)
fn threads4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) counts: vec3u) {
  let cell = id.y * counts.x * 64u + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width / 4u, 0u, 1u);
  let mean = sum4(w) / count();
  let r = deviation(squares4(w, mean));
  stats[cell] = vec2f(mean, r);
  store4(w, mean, r);
}

@compute @workgroup_size(64)
fn threads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) counts: vec3u) {
  let cell = id.y * counts.x * 64u + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width, 0u, 1u);
  let mean = sum1(w) / count();
  let r = deviation(squares1(w, mean));
  stats[cell] = vec2f(mean, r);
  store1(w, mean, r);
}

@compute @workgroup_size(LANES)
fn groups4(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) counts: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = id.y * counts.x + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width / 4u, lane, LANES);
  let mean = laneSum(lane, vec2f(sum4(w))).x / count();
  let r = deviation(laneSum(lane, vec2f(squares4(w, mean))).x);
  if (lane == 0u) { stats[cell] = vec2f(mean, r); }
  store4(w, mean, r);
}

@compute @workgroup_size(LANES)
fn groups(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) counts: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = id.y * counts.x + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width, lane, LANES);
  let mean = laneSum(lane, vec2f(sum1(w))).x / count();
  let r = deviation(laneSum(lane, vec2f(squares1(w, mean))).x);
  if (lane == 0u) { stats[cell] = vec2f(mean, r); }
  store1(w, mean, r);
}

// (Σ h, Σ h·(x − mean)·r).
fn gradSum4(w: Walk, cell: vec2f) -> vec2f {
  var a = vec4f(0.0);
  var b = vec4f(0.0);
  for (var i = w.i; i < p.spatial; i += w.iStep) {
    for (var k = w.k; k < w.width; k += w.kStep) {
      let at = w.base + i * w.pitch + k;
      let h = vec4f(g[at]) * scale4(w.channel + k);
      a += h;
      b += h * (vec4f(x[at]) - cell.x);
    }
  }
  return vec2f(a.x + a.y + a.z + a.w, (b.x + b.y + b.z + b.w) * cell.y);
}

fn storeGrad4(w: Walk, cell: vec2f, sums: vec2f) {
  let level = sums.x / count();
  let slope = sums.y * cell.y / count();
  for (var k = w.k; k < w.width; k += w.kStep) {
    let scale = scale4(w.channel + k);
    for (var i = w.i; i < p.spatial; i += w.iStep) {
      let at = w.base + i * w.pitch + k;
      y[at] = vec4<T>(cell.y * (vec4f(g[at]) * scale - level - (vec4f(x[at]) - cell.x) * slope));
    }
  }
}

fn gradSum1(w: Walk, cell: vec2f) -> vec2f {
  var total = vec2f(0.0);
  for (var i = w.i; i < p.spatial; i += w.iStep) {
    for (var k = w.k; k < w.width; k += w.kStep) {
      let at = w.base + i * w.pitch + k;
      let h = f32(gScalar[at]) * scale1(w.channel + k);
      total += h * vec2f(1.0, (f32(xScalar[at]) - cell.x) * cell.y);
    }
  }
  return total;
}

fn storeGrad1(w: Walk, cell: vec2f, sums: vec2f) {
  let level = sums.x / count();
  let slope = sums.y * cell.y / count();
  for (var k = w.k; k < w.width; k += w.kStep) {
    let scale = scale1(w.channel + k);
    for (var i = w.i; i < p.spatial; i += w.iStep) {
      let at = w.base + i * w.pitch + k;
      yScalar[at] = T(cell.y * (f32(gScalar[at]) * scale - level - (f32(xScalar[at]) - cell.x) * slope));
    }
  }
}

@compute @workgroup_size(64)
fn gradThreads4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) counts: vec3u) {
  let cell = id.y * counts.x * 64u + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width / 4u, 0u, 1u);
  storeGrad4(w, savedStats[cell], gradSum4(w, savedStats[cell]));
}

@compute @workgroup_size(64)
fn gradThreads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) counts: vec3u) {
  let cell = id.y * counts.x * 64u + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width, 0u, 1u);
  storeGrad1(w, savedStats[cell], gradSum1(w, savedStats[cell]));
}

@compute @workgroup_size(LANES)
fn gradGroups4(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) counts: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = id.y * counts.x + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width / 4u, lane, LANES);
  storeGrad4(w, savedStats[cell], laneSum(lane, gradSum4(w, savedStats[cell])));
}

@compute @workgroup_size(LANES)
fn gradGroups(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) counts: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = id.y * counts.x + id.x;
  if (cell >= p.samples * p.groups) { return; }
  let w = walk(cell, p.width, lane, LANES);
  storeGrad1(w, savedStats[cell], laneSum(lane, gradSum1(w, savedStats[cell])));
}

// `c` is the channel (scalars) the statistics of `row` are wanted for.
fn cellOf(row: u32, c: u32) -> vec2f { return savedStats[row / s.spatial * s.groups + c / s.width]; }

@compute @workgroup_size(64)
fn channelSums4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) counts: vec3u) {
  let quads = s.groups * s.width / 4u;
  let i = id.y * counts.x * 64u + id.x;
  let chunk = i / quads;
  let quad = i % quads;
  if (chunk >= s.chunks) { return; }
  var a = vec4f(0.0);
  var b = vec4f(0.0);
  for (var row = chunk * s.chunkRows; row < min((chunk + 1u) * s.chunkRows, s.rows); row++) {
    let cell = cellOf(row, 4u * quad);
    let upstream = vec4f(g[row * quads + quad]);
    a += upstream;
    b += upstream * (vec4f(x[row * quads + quad]) - cell.x) * cell.y;
  }
  partial[chunk * quads + quad] = a;
  partial[(s.chunks + chunk) * quads + quad] = b;
}

@compute @workgroup_size(64)
fn channelSums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) counts: vec3u) {
  let channels = s.groups * s.width;
  let padded = (channels + 3u) / 4u * 4u;
  let i = id.y * counts.x * 64u + id.x;
  let chunk = i / channels;
  let c = i % channels;
  if (chunk >= s.chunks) { return; }
  var a = 0.0;
  var b = 0.0;
  for (var row = chunk * s.chunkRows; row < min((chunk + 1u) * s.chunkRows, s.rows); row++) {
    let cell = cellOf(row, c);
    let upstream = f32(gScalar[row * channels + c]);
    a += upstream;
    b += upstream * (f32(xScalar[row * channels + c]) - cell.x) * cell.y;
  }
  partialScalar[chunk * padded + c] = a;
  partialScalar[(s.chunks + chunk) * padded + c] = b;
}
