// Layer normalisation of rows of 4·quads elements, with the formulas and the stats of group-norm.wgsl. A thread has rows
// 2t and 2t + 1 (the last one twice where they are odd): a load of gamma or beta serves both, and on a CPU, where a load
// is what costs, x is read twice instead of three times.
// Mean and variance come from one pass: sums of (x − first) and its square over blocks of 64 vectors, each shifted by its
// own first vector, so that little cancels; blocks are merged as by Chan, Golub and LeVeque 1979.
alias T = f32; // of x, y and g; what belongs to a channel is f32
const BLOCK = 64u;

struct PairParams { rows: u32, quads: u32, hasGamma: u32, hasBeta: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: PairParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(3) var<storage, read> beta: array<vec4f>;
@group(0) @binding(3) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> savedStats: array<vec2f>;

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

@compute @workgroup_size(16)
fn gradPair(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row0 = (id.y * groups.x * 16u + id.x) * 2u;
  if (row0 >= p.rows) { return; }
  let row1 = min(row0 + 1u, p.rows - 1u);
  let base0 = row0 * p.quads;
  let base1 = row1 * p.quads;
  let s0 = savedStats[row0];
  let s1 = savedStats[row1];
  var a0 = vec4f();
  var a1 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  for (var k = 0u; k < p.quads; k++) {
    let scale = scaleOf(k);
    let h0 = vec4f(g[base0 + k]) * scale;
    let h1 = vec4f(g[base1 + k]) * scale;
    a0 += h0;
    a1 += h1;
    b0 += h0 * (vec4f(x[base0 + k]) - s0.x);
    b1 += h1 * (vec4f(x[base1 + k]) - s1.x);
  }
  let share = vec4f(0.25 / f32(p.quads));
  let level0 = dot(a0, share);
  let level1 = dot(a1, share);
  let slope0 = dot(b0, share) * s0.y * s0.y;
  let slope1 = dot(b1, share) * s1.y * s1.y;
  for (var k = 0u; k < p.quads; k++) {
    let scale = scaleOf(k);
    y[base0 + k] = vec4<T>(s0.y * (vec4f(g[base0 + k]) * scale - level0 - (vec4f(x[base0 + k]) - s0.x) * slope0));
    y[base1 + k] = vec4<T>(s1.y * (vec4f(g[base1 + k]) * scale - level1 - (vec4f(x[base1 + k]) - s1.x) * slope1));
  }
}
