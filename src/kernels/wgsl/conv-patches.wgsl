// A convolution as a product of matrices: patches [rows, K] · w [K, O], a row for each output, K = all taps times all channels, each row
// beginning rowSize elements after the one before. Dilation 1, one group; the axes are D, H, W.
// unfold: patches[q, (k, c)] = x[q · stride − pad + k, c], 0 outside. A thread copies a row of taps, which lie behind one another in x.
// fold, its adjoint: y[i, c] = Σ_{k ≡ i + pad mod stride} patches[(i + pad − k) / stride, (k, c)] + bias[c]. A thread sums a pixel.
alias T = f32; // of x, bias and y

struct PatchParams {
  count: u32, rowSize: u32, channels: u32,
  xD: u32, xH: u32, xW: u32, qD: u32, qH: u32, qW: u32, kD: u32, kH: u32, kW: u32, // q: of outputs
  strideD: u32, strideH: u32, strideW: u32, padD: u32, padH: u32, padW: u32,
}

override CHANNELS: u32 = 3u; // of y, at most 3
override HAS_BIAS: bool = false;

@group(0) @binding(0) var<uniform> p: PatchParams;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> unfolded: array<T>;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

@compute @workgroup_size(64)
fn unfold(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= p.count) { return; }
  let q = i / (p.kD * p.kH);
  let plane = i % (p.kD * p.kH);
  let line = q / p.qW;
  let slab = line / p.qH;
  // Modulo 2³²: before the first element is far behind the last.
  let d = slab % p.qD * p.strideD + plane / p.kH - p.padD;
  let h = line % p.qH * p.strideH + plane % p.kH - p.padH;
  let inside = d < p.xD && h < p.xH;
  let first = (q % p.qW * p.strideW - p.padW) * p.channels;
  let row = ((slab / p.qD * p.xD + d) * p.xH + h) * p.xW * p.channels;
  let width = p.kW * p.channels;
  let at = q * p.rowSize + plane * width;
  for (var j = 0u; j < width; j++) {
    unfolded[at + j] = select(T(), x[row + first + j], inside && first + j < p.xW * p.channels);
  }
}

fn patchOf(at: u32) -> vec3f {
  var v = vec3f(patches[at], 0, 0);
  if (CHANNELS > 1u) { v.y = patches[at + 1u]; }
  if (CHANNELS > 2u) { v.z = patches[at + 2u]; }
  return v;
}

fn store(at: u32, v: vec3f) {
  y[at] = T(v.x);
  if (CHANNELS > 1u) { y[at + 1u] = T(v.y); }
  if (CHANNELS > 2u) { y[at + 2u] = T(v.z); }
}

fn biasOf() -> vec3f {
  if (!HAS_BIAS) { return vec3f(); }
  // Past the last channel what is read is not stored.
  return vec3f(vec3<T>(bias[0], bias[min(1u, CHANNELS - 1u)], bias[min(2u, CHANNELS - 1u)]));
}

@compute @workgroup_size(64)
fn fold(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= p.count) { return; }
  let line = i / p.xW;
  let slab = line / p.xH;
  let d = slab % p.xD + p.padD;
  let h = line % p.xH + p.padH;
  let v = i % p.xW + p.padW;
  var total = biasOf();
  // From one tap that reaches this pixel to the next its output is one less, modulo 2³².
  var qd = d / p.strideD;
  for (var kd = d % p.strideD; kd < p.kD; kd += p.strideD) {
    var qh = h / p.strideH;
    for (var kh = h % p.strideH; kh < p.kH; kh += p.strideH) {
      var qw = v / p.strideW;
      for (var kw = v % p.strideW; kw < p.kW; kw += p.strideW) {
        if (qd < p.qD && qh < p.qH && qw < p.qW) {
          let q = ((slab / p.xD * p.qD + qd) * p.qH + qh) * p.qW + qw;
          total += patchOf(q * p.rowSize + ((kd * p.kH + kh) * p.kW + kw) * CHANNELS);
        }
        qw -= 1u;
      }
      qh -= 1u;
    }
    qd -= 1u;
  }
  store(i * CHANNELS, total);
}
