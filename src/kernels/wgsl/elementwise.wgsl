// `unary`: out[i] = f(x[i]); `gradient`: out[i] = g[i] · f′, from x[i] or, where that says as much, from f(x)[i]. f is OP.
// `joined` and `joinedGradient` have a[i] ∘ b[i] for x and g: ∘ is FIRST, operands as in `flat` of elementwise-binary.wgsl.
// Flat arrays. A thread takes 4 vectors: adjacent ones on a CPU (a cache line of its own), every 64th on a GPU (neighbours
// share a line). NaN goes in, NaN comes out: comparisons with NaN are false, so every select below keeps x then.
alias T = f32; // what is stored; the arithmetic is f32
override OP: u32 = 0u;
override FIRST: u32 = 0u;
override NUMBER: u32 = 0u;
override ONE: u32 = 0u;

// p and q are f's attributes: leakyRelu's slope; clamp's low and high.
struct UnaryParams {
  count: u32, // vectors
  lane: u32, step: u32, // how far apart two threads and two turns of a thread are
  p: f32, q: f32,
  number: f32,
}

@group(0) @binding(0) var<uniform> params: UnaryParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> a: array<vec4<T>>;
@group(0) @binding(4) var<storage, read> b: array<vec4<T>>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<T>>;

const SQRT_HALF = 0.70710678118654752;
const SQRT_2_OVER_PI = 0.79788456080286536;
const INVERSE_SQRT_2PI = 0.39894228040143268;
const CUBIC = 0.044715;

fn isNan(v: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn fromBits(bits: u32) -> vec4f {
  return bitcast<vec4f>(vec4u(bits));
}

// Some drivers' exp and log know no NaN, and their log no 0.
fn expOf(v: vec4f) -> vec4f {
  return select(exp(v), v, isNan(v));
}

fn logOf(v: vec4f) -> vec4f {
  let known = select(log(v), fromBits(0xff800000u), v == vec4f(0));
  return select(known, fromBits(0x7fc00000u), (v < vec4f(0)) | isNan(v));
}

// From exp of a non-positive number, which cannot overflow.
fn sigmoidOf(v: vec4f) -> vec4f {
  let e = expOf(-abs(v));
  return select(vec4f(1), e, v < vec4f(0)) / (1 + e);
}

// (1 − e) / (1 + e) loses digits near 0: a Taylor polynomial there.
fn tanhOf(v: vec4f) -> vec4f {
  let e = expOf(-2 * abs(v));
  let large = (1 - e) / (1 + e);
  let s = v * v;
  let small = v + v * s * (-0.33333333 + s * (0.13333333 - s * 0.053968254));
  return select(select(large, -large, v < vec4f(0)), small, abs(v) < vec4f(0.25));
}

// max(x, 0) + log(1 + expOf(−|x|)), the logarithm by its series where 1 + e would round e away.
fn softplusOf(v: vec4f) -> vec4f {
  let e = expOf(-abs(v));
  let tail = select(log(1 + e), e * (1 - e * (0.5 - e * 0.33333333)), e < vec4f(0.01));
  return select(v, vec4f(0), v < vec4f(0)) + tail;
}

// Φ(v) = erfc(−v/√2)/2 by Abramowitz and Stegun 7.1.26: |error| < 1e-7.
fn normalCdf(v: vec4f) -> vec4f {
  let z = abs(v) * SQRT_HALF;
  let t = 1 / (1 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * expOf(-z * z);
  return select(1 - tail, tail, v < vec4f(0));
}

fn geluTanhCdf(v: vec4f) -> vec4f {
  return 0.5 + 0.5 * tanhOf(SQRT_2_OVER_PI * (v + CUBIC * v * v * v));
}

// v · weight, and 0 for −∞ · 0.
fn weighted(v: vec4f, weight: vec4f) -> vec4f {
  return select(v * weight, vec4f(0), weight == vec4f(0));
}

fn apply(v: vec4f) -> vec4f {
  switch OP {
    case 0u: { return abs(v); }
    case 1u: { return select(select(v, vec4f(-1), v < vec4f(0)), vec4f(1), v > vec4f(0)); } // sign
    case 2u: { return v * v; }
    case 3u: { return sqrt(v); }
    case 4u: { return inverseSqrt(v); }
    case 5u: { return expOf(v); }
    case 6u: { return logOf(v); }
    case 7u: { // clamp
      let raised = select(v, vec4f(params.p), v < vec4f(params.p));
      return select(raised, vec4f(params.q), raised > vec4f(params.q));
    }
    case 8u: { return select(v, vec4f(0), v < vec4f(0)); } // relu
    case 9u: { return select(v, params.p * v, v < vec4f(0)); } // leakyRelu
    case 10u: { return weighted(v, normalCdf(v)); } // gelu
    case 11u: { return weighted(v, geluTanhCdf(v)); }
    case 12u: { return weighted(v, sigmoidOf(v)); } // silu
    case 13u: { return sigmoidOf(v); }
    case 14u: { return tanhOf(v); }
    default: { return softplusOf(v); }
  }
}

// f′ where f is smooth; v is f(x) for sigmoid and tanh.
fn slope(v: vec4f) -> vec4f {
  switch OP {
    case 10u: { return normalCdf(v) + INVERSE_SQRT_2PI * v * expOf(-0.5 * v * v); }
    case 11u: {
      let t = 2 * geluTanhCdf(v) - 1;
      let inner = SQRT_2_OVER_PI * (1 + 3 * CUBIC * v * v);
      return 0.5 + 0.5 * t + weighted(0.5 * v * inner, 1 - t * t);
    }
    case 12u: {
      let s = sigmoidOf(v);
      return s + weighted(v, s * (1 - s));
    }
    case 13u: { return v * (1 - v); }
    default: { return 1 - v * v; }
  }
}

fn backward(v: vec4f, dy: vec4f) -> vec4f {
  let zero = vec4f(0);
  switch OP {
    case 7u: { return select(dy, zero, (v < vec4f(params.p)) | (v > vec4f(params.q))); }
    case 8u: { return select(zero, dy, v > zero); }
    case 9u: { return select(params.p * dy, dy, v > zero); }
    default: { return dy * slope(v); }
  }
}

fn operandA(i: u32) -> vec4f {
  if (NUMBER == 1u) { return vec4f(params.number); }
  if ((ONE & 1u) != 0u) { return vec4f(vec4<T>(a[0].x)); }
  return vec4f(a[i]);
}

fn operandB(i: u32) -> vec4f {
  if (NUMBER == 2u) { return vec4f(params.number); }
  if ((ONE & 2u) != 0u) { return vec4f(vec4<T>(b[0].x)); }
  return vec4f(b[i]);
}

fn combined(i: u32) -> vec4f {
  switch FIRST {
    case 0u: { return operandA(i) + operandB(i); }
    case 1u: { return operandA(i) - operandB(i); }
    default: { return operandA(i) * operandB(i); }
  }
}

// What a thread takes in its turn: the last vector again instead of one past it, because branches around loads and stores
// cost more than they save.
fn vectorOf(thread: u32, turn: u32) -> u32 {
  return min((thread & 0xffffffc0u) * 4u + (thread & 63u) * params.lane + turn * params.step, params.count - 1u);
}

fn unaryAt(i: u32) { out[i] = vec4<T>(apply(vec4f(x[i]))); }
fn gradientAt(i: u32) { out[i] = vec4<T>(backward(vec4f(x[i]), vec4f(g[i]))); }
fn joinedAt(i: u32) { out[i] = vec4<T>(apply(combined(i))); }
fn joinedGradientAt(i: u32) { out[i] = vec4<T>(backward(vec4f(x[i]), combined(i))); }

@compute @workgroup_size(64)
fn unary(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  unaryAt(vectorOf(thread, 0u));
  unaryAt(vectorOf(thread, 1u));
  unaryAt(vectorOf(thread, 2u));
  unaryAt(vectorOf(thread, 3u));
}

@compute @workgroup_size(64)
fn gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  gradientAt(vectorOf(thread, 0u));
  gradientAt(vectorOf(thread, 1u));
  gradientAt(vectorOf(thread, 2u));
  gradientAt(vectorOf(thread, 3u));
}

@compute @workgroup_size(64)
fn joined(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  joinedAt(vectorOf(thread, 0u));
  joinedAt(vectorOf(thread, 1u));
  joinedAt(vectorOf(thread, 2u));
  joinedAt(vectorOf(thread, 3u));
}

@compute @workgroup_size(64)
fn joinedGradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  joinedGradientAt(vectorOf(thread, 0u));
  joinedGradientAt(vectorOf(thread, 1u));
  joinedGradientAt(vectorOf(thread, 2u));
  joinedGradientAt(vectorOf(thread, 3u));
}
