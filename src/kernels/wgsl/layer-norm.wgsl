// Layer normalisation of rows of 4·quads elements, with the formulas and the stats of group-norm.wgsl. A thread has rows
// 2t and 2t + 1 (the last one twice where they are odd): a load of gamma or beta serves both, and on a CPU, where a load
// is what costs, x is read twice instead of three times. The gradient reads x and g twice: gradRows sums over rows, and
// gradColumns writes dx and adds up dbeta and dgamma over chunkRows rows in partial [2, chunks, channels].
// Mean and variance come from one pass: sums of (x − first) and its square over blocks of 64 vectors, each shifted by its
// own first vector, so that little cancels; blocks are merged as by Chan, Golub and LeVeque 1979.
alias T = f32; // of x, y and g; what belongs to a channel is f32
const BLOCK = 64u;
override SUMS: bool = true; // whether dbeta and dgamma are wanted

struct PairParams { rows: u32, quads: u32, hasGamma: u32, hasBeta: u32, epsilon: f32, chunkRows: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> p: PairParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(3) var<storage, read> beta: array<vec4f>;
@group(0) @binding(3) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> slopes: array<vec4f>;
@group(0) @binding(5) var<storage, read> savedSlopes: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> partial: array<vec4f>;

// Of each component of the vectors so far: mean and Σ (x − mean)².
struct Moments { mean: vec4f, squares: vec4f }

// Adds the block that starts at vector `begin` and ends before `end`, given Σ d and Σ d² of d = x − shift.
fn merged(m: Moments, begin: u32, end: u32, shift: vec4f, total: vec4f, squares: vec4f) -> Moments {
  let count = f32(end - begin);
  let distance = shift + total / count - m.mean;
  // The largest of two NaN is NaN on every adapter; of NaN and 0 it is not.
  let own = max(squares - total * total / count, total * 0.0);
  let share = count / f32(end);
  return Moments(m.mean + distance * share, m.squares + own + distance * distance * (share * f32(begin)));
}

// (mean, 1/√(variance + ε)) of the row.
fn finish(m: Moments) -> vec2f {
  let mean = dot(m.mean, vec4f(0.25));
  let apart = m.mean - mean;
  let variance = dot(m.squares / f32(p.quads) + apart * apart, vec4f(0.25));
  return vec2f(mean, inverseSqrt(variance + p.epsilon));
}

fn scaleOf(k: u32) -> vec4f { return select(vec4f(1.0), gamma[k], p.hasGamma != 0u); }
fn shiftOf(k: u32) -> vec4f { return select(vec4f(0.0), beta[k], p.hasBeta != 0u); }

@compute @workgroup_size(16)
fn pair(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row0 = (id.y * groups.x * 16u + id.x) * 2u;
  if (row0 >= p.rows) { return; }
  let row1 = min(row0 + 1u, p.rows - 1u);
  let base0 = row0 * p.quads;
  let base1 = row1 * p.quads;
  var m0 = Moments();
  var m1 = Moments();
  for (var begin = 0u; begin < p.quads; begin += BLOCK) {
    let end = min(begin + BLOCK, p.quads);
    let shift0 = vec4f(x[base0 + begin]);
    let shift1 = vec4f(x[base1 + begin]);
    var total0 = vec4f();
    var total1 = vec4f();
    var squares0 = vec4f();
    var squares1 = vec4f();
    for (var k = begin + 1u; k < end; k++) {
      let d0 = vec4f(x[base0 + k]) - shift0;
      let d1 = vec4f(x[base1 + k]) - shift1;
      total0 += d0;
      total1 += d1;
      squares0 += d0 * d0;
      squares1 += d1 * d1;
    }
    m0 = merged(m0, begin, end, shift0, total0, squares0);
    m1 = merged(m1, begin, end, shift1, total1, squares1);
  }
  let s0 = finish(m0);
  let s1 = finish(m1);
  stats[row0] = s0;
  stats[row1] = s1;
  for (var k = 0u; k < p.quads; k++) {
    let scale = scaleOf(k);
    let shift = shiftOf(k);
    y[base0 + k] = vec4<T>((vec4f(x[base0 + k]) - s0.x) * (scale * s0.y) + shift);
    y[base1 + k] = vec4<T>((vec4f(x[base1 + k]) - s1.x) * (scale * s1.y) + shift);
  }
}

// Of each component of the vectors so far: the moments of x, and the mean of h = g·gamma and Σ (x − mean)·h.
struct Slope { moments: Moments, level: vec4f, products: vec4f }

// What a loop over a block adds up: Σ d, Σ d², Σ h and Σ d·h.
struct BlockSums { total: vec4f, squares: vec4f, heights: vec4f, products: vec4f }

fn gained(s: BlockSums, d: vec4f, h: vec4f) -> BlockSums {
  return BlockSums(s.total + d, s.squares + d * d, s.heights + h, s.products + d * h);
}

fn mergedSlope(m: Slope, begin: u32, end: u32, shift: vec4f, s: BlockSums) -> Slope {
  let count = f32(end - begin);
  let share = count / f32(end);
  let distance = shift + s.total / count - m.moments.mean;
  let rise = s.heights / count - m.level;
  let own = s.products - s.total * s.heights / count;
  return Slope(
    merged(m.moments, begin, end, shift, s.total, s.squares),
    m.level + rise * share, m.products + own + distance * rise * (share * f32(begin)));
}

// (mean, r, r·Σ h/n, r³·Σ h·(x − mean)/n) of the row, with r = 1/√(variance + ε).
fn finishSlope(m: Slope) -> vec4f {
  let found = finish(m.moments);
  let level = dot(m.level, vec4f(0.25));
  let apart = (m.moments.mean - found.x) * (m.level - level);
  let slope = dot(m.products / f32(p.quads) + apart, vec4f(0.25));
  return vec4f(found, found.y * level, found.y * slope * found.y * found.y); // r³ alone may be 0 or Infinity
}

@compute @workgroup_size(16)
fn gradRows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row0 = (id.y * groups.x * 16u + id.x) * 2u;
  if (row0 >= p.rows) { return; }
  let row1 = min(row0 + 1u, p.rows - 1u);
  let base0 = row0 * p.quads;
  let base1 = row1 * p.quads;
  var m0 = Slope();
  var m1 = Slope();
  for (var begin = 0u; begin < p.quads; begin += BLOCK) {
    let end = min(begin + BLOCK, p.quads);
    let shift0 = vec4f(x[base0 + begin]);
    let shift1 = vec4f(x[base1 + begin]);
    var s0 = BlockSums();
    var s1 = BlockSums();
    for (var k = begin; k < end; k++) {
      let scale = scaleOf(k);
      s0 = gained(s0, vec4f(x[base0 + k]) - shift0, vec4f(g[base0 + k]) * scale);
      s1 = gained(s1, vec4f(x[base1 + k]) - shift1, vec4f(g[base1 + k]) * scale);
    }
    m0 = mergedSlope(m0, begin, end, shift0, s0);
    m1 = mergedSlope(m1, begin, end, shift1, s1);
  }
  slopes[row0] = finishSlope(m0);
  slopes[row1] = finishSlope(m1);
}

// A thread has two adjacent vectors (the last one twice where they are odd) of chunkRows rows.
@compute @workgroup_size(64)
fn gradColumns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pairs = (p.quads + 1u) / 2u;
  let i = id.y * groups.x * 64u + id.x;
  let chunk = i / pairs;
  if (chunk >= p.chunks) { return; }
  let quad0 = i % pairs * 2u;
  let quad1 = min(quad0 + 1u, p.quads - 1u);
  let scale0 = scaleOf(quad0);
  let scale1 = scaleOf(quad1);
  var a0 = vec4f();
  var a1 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  for (var row = chunk * p.chunkRows; row < min((chunk + 1u) * p.chunkRows, p.rows); row++) {
    let c = savedSlopes[row];
    let g0 = vec4f(g[row * p.quads + quad0]);
    let g1 = vec4f(g[row * p.quads + quad1]);
    let d0 = vec4f(x[row * p.quads + quad0]) - c.x;
    let d1 = vec4f(x[row * p.quads + quad1]) - c.x;
    y[row * p.quads + quad0] = vec4<T>(c.y * scale0 * g0 - (c.z + d0 * c.w));
    y[row * p.quads + quad1] = vec4<T>(c.y * scale1 * g1 - (c.z + d1 * c.w));
    if (SUMS) {
      a0 += g0;
      a1 += g1;
      b0 += g0 * d0 * c.y;
      b1 += g1 * d1 * c.y;
    }
  }
  if (SUMS) {
    partial[chunk * p.quads + quad0] = a0;
    partial[chunk * p.quads + quad1] = a1;
    partial[(p.chunks + chunk) * p.quads + quad0] = b0;
    partial[(p.chunks + chunk) * p.quads + quad1] = b1;
  }
}
