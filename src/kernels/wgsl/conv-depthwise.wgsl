// Convolution where each channel is a group of its own: y[n, q, c] = Σ_tap x[n, q·stride − pad + tap·dilation, c] ·
// w[tap, c] + bias[c] + residual[n, q, c], then the activation; x [N, D, H, W, C], w [KD, KH, KW, 1, C], f32, C a multiple of 4.
// With INPUT_GRAD its adjoint, one phase of positions for each workgroup as in conv.wgsl. A thread computes 4 channels
// of 4 adjacent positions of a row. Where they and the taps are one apart, an input serves several taps (SLIDE).
// depthwiseWeight is the gradient with respect to w: out[tap, c] = Σ_n Σ_q x[n, q·stride − pad + tap·dilation, c] · g[n, q, c];
// a thread sums a range of pixels (a split) for one tap and 4 channels, sumParts of matmul-sum.wgsl adds the splits up.
alias T = f32; // of the operands; products and sums are f32
alias S = f32; // of y: T, or f32 for the parts of a sum

struct DepthwiseParams {
  quads: u32, cBlocks: u32, phases: u32, groupsPerPhase: u32, // quads: fours of positions
  qD: u32, qH: u32, qW: u32, // positions of a phase, and fours of them along W
  xD: u32, xH: u32, xW: u32,
  yD: u32, yH: u32, yW: u32,
  kD: u32, kH: u32, kW: u32,
  strideD: u32, strideH: u32, strideW: u32,
  padD: u32, padH: u32, padW: u32,
  dilationD: u32, dilationH: u32, dilationW: u32,
  tapsD: u32, tapsH: u32, tapsW: u32, // from one tap of a phase to its next
  hopD: u32, hopH: u32, hopW: u32, // and from its input to the next one's, modulo 2³²
  slope: f32,
}

struct DepthwiseWeightParams {
  taps: u32, cBlocks: u32, splits: u32, partVectors: u32, // of a split
  pixels: u32, chunk: u32, // of g; of a split
  gD: u32, gH: u32, gW: u32,
  xD: u32, xH: u32, xW: u32,
  kH: u32, kW: u32,
  strideD: u32, strideH: u32, strideW: u32,
  padD: u32, padH: u32, padW: u32,
  dilationD: u32, dilationH: u32, dilationW: u32,
}

override INPUT_GRAD: bool = false;
override SLIDE: bool = false;
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u; // 0 none, 1 relu, 2 leakyRelu

@group(0) @binding(0) var<uniform> params: DepthwiseParams;
@group(0) @binding(0) var<uniform> weightParams: DepthwiseWeightParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<T>>;
@group(0) @binding(5) var<storage, read> residual: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<S>>;

// The first tap that a phase has along an axis, and how far its input is from q times the pace, modulo 2³².
struct Taps { first: u32, shift: u32 }

fn tapsOf(residue: u32, kernel: u32, stride: u32, pad: u32, dilation: u32, period: u32) -> Taps {
  if (!INPUT_GRAD) { return Taps(0u, 0u - pad); }
  let reach = kernel * dilation; // keeps the dividend positive
  for (var tap = 0u; tap < min(period, kernel); tap++) {
    let dividend = residue + pad + reach * stride - tap * dilation;
    if (dividend % stride == 0u) { return Taps(tap, dividend / stride - reach); }
  }
  return Taps(kernel, 0u);
}

fn load(i: u32, valid: bool) -> vec4f {
  return select(vec4f(), vec4f(x[i]), valid);
}

fn store(i: u32, valid: bool, v: vec4f, cBlock: u32) {
  var result = v;
  if (HAS_BIAS) { result += vec4f(bias[cBlock]); }
  if (HAS_RESIDUAL) { result += vec4f(residual[i]); }
  if (ACTIVATION == 1u) { result = select(result, vec4f(), result < vec4f()); }
  if (ACTIVATION == 2u) { result = select(result, params.slope * result, result < vec4f()); }
  if (valid) { y[i] = vec4<S>(result); }
}

@compute @workgroup_size(64)
fn depthwise(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let group = id.y * groups.x + id.x;
  let phase = group / params.groupsPerPhase;
  let residueW = phase % params.strideW;
  let residueH = phase / params.strideW % params.strideH;
  let residueD = phase / params.strideW / params.strideH;
  let index = group % params.groupsPerPhase * 64u + thread;
  let cBlock = index % params.cBlocks;
  let quad = index / params.cBlocks;
  let perRow = quad / params.qW;
  let perPlane = perRow / params.qH;
  let n = perPlane / params.qD;
  let qD = perPlane % params.qD;
  let qH = perRow % params.qH;
  let qW = quad % params.qW * 4u + vec4u(0u, 1u, 2u, 3u);

  let stride = vec3u(params.strideD, params.strideH, params.strideW);
  let pace = select(stride, vec3u(1u), vec3<bool>(INPUT_GRAD));
  let tapsD = tapsOf(residueD, params.kD, stride.x, params.padD, params.dilationD, params.tapsD);
  let tapsH = tapsOf(residueH, params.kH, stride.y, params.padH, params.dilationH, params.tapsH);
  let tapsW = tapsOf(residueW, params.kW, stride.z, params.padW, params.dilationW, params.tapsW);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var d = qD * pace.x + tapsD.shift;
  for (var kd = tapsD.first; kd < params.kD; kd += params.tapsD) {
    var h = qH * pace.y + tapsH.shift;
    for (var kh = tapsH.first; kh < params.kH; kh += params.tapsH) {
      let row = (n * params.xD + d) * params.xH + h;
      let rowInside = d < params.xD && h < params.xH;
      var v = qW * pace.z + tapsW.shift;
      var x0 = vec4f();
      var x1 = vec4f();
      var x2 = vec4f();
      var x3 = vec4f();
      for (var kw = tapsW.first; kw < params.kW; kw += params.tapsW) {
        let inside = vec4<bool>(rowInside) & (v < vec4u(params.xW));
        let at = (row * params.xW + v) * params.cBlocks + cBlock;
        if (!SLIDE || kw == tapsW.first) {
          x0 = load(at.x, inside.x);
          x1 = load(at.y, inside.y);
          x2 = load(at.z, inside.z);
          x3 = load(at.w, inside.w);
        } else if (INPUT_GRAD) {
          x3 = x2;
          x2 = x1;
          x1 = x0;
          x0 = load(at.x, inside.x);
        } else {
          x0 = x1;
          x1 = x2;
          x2 = x3;
          x3 = load(at.w, inside.w);
        }
        let weight = vec4f(w[((kd * params.kH + kh) * params.kW + kw) * params.cBlocks + cBlock]);
        sum0 += x0 * weight;
        sum1 += x1 * weight;
        sum2 += x2 * weight;
        sum3 += x3 * weight;
        v += params.hopW;
      }
      h += params.hopH;
    }
    d += params.hopD;
  }

  let step = select(vec3u(1u), stride, vec3<bool>(INPUT_GRAD));
  let yD = qD * step.x + residueD;
  let yH = qH * step.y + residueH;
  let yW = qW * step.z + residueW;
  let at = (((n * params.yD + yD) * params.yH + yH) * params.yW + yW) * params.cBlocks + cBlock;
  let rowStored = phase < params.phases && quad < params.quads && yD < params.yD && yH < params.yH;
  let stored = vec4<bool>(rowStored) & (yW < vec4u(params.yW));
  store(at.x, stored.x, sum0, cBlock);
  store(at.y, stored.y, sum1, cBlock);
  store(at.z, stored.z, sum2, cBlock);
  store(at.w, stored.w, sum3, cBlock);
}

@compute @workgroup_size(64)
fn depthwiseWeight(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.y * groups.x * 64u + id.x;
  let cBlock = index % weightParams.cBlocks;
  let tap = index / weightParams.cBlocks % weightParams.taps;
  let split = index / weightParams.cBlocks / weightParams.taps;
  let tapD = tap / weightParams.kW / weightParams.kH * weightParams.dilationD - weightParams.padD;
  let tapH = tap / weightParams.kW % weightParams.kH * weightParams.dilationH - weightParams.padH;
  let tapW = tap % weightParams.kW * weightParams.dilationW - weightParams.padW;
  let first = split * weightParams.chunk;
  let perRow = first / weightParams.gW;
  let perPlane = perRow / weightParams.gH;
  var qW = first % weightParams.gW;
  var qH = perRow % weightParams.gH;
  var qD = perPlane % weightParams.gD;
  var n = perPlane / weightParams.gD;
  var total = vec4f();
  for (var pixel = first; pixel < min(first + weightParams.chunk, weightParams.pixels); pixel++) {
    let d = qD * weightParams.strideD + tapD;
    let h = qH * weightParams.strideH + tapH;
    let v = qW * weightParams.strideW + tapW;
    let inside = d < weightParams.xD && h < weightParams.xH && v < weightParams.xW;
    let at = (((n * weightParams.xD + d) * weightParams.xH + h) * weightParams.xW + v) * weightParams.cBlocks + cBlock;
    total += select(vec4f(), load(at, inside) * vec4f(g[pixel * weightParams.cBlocks + cBlock]), inside);
    qW += 1u;
    if (qW == weightParams.gW) {
      qW = 0u;
      qH += 1u;
    }
    if (qH == weightParams.gH) {
      qH = 0u;
      qD += 1u;
    }
    if (qD == weightParams.gD) {
      qD = 0u;
      n += 1u;
    }
  }
  if (split < weightParams.splits) {
    y[split * weightParams.partVectors + tap * weightParams.cBlocks + cBlock] = vec4<S>(total);
  }
}
