// A convolution as a product of matrices: patches [rows, K] · w [K, O], a row for each output, K = all taps times all channels, each row
// beginning rowSize elements after the one before. Dilation 1, one group; the axes are D, H, W.
// unfold: patches[q, (k, c)] = x[q · stride − pad + k, c], 0 outside. A thread copies a patch.
// fold, its adjoint: y[i, c] = Σ_{k ≡ i + pad mod stride} patches[(i + pad − k) / stride, (k, c)] + bias[c]. A thread sums RUN pixels of a row.
alias T = f32; // of x, bias and y

struct PatchParams {
  count: u32, rowSize: u32, channels: u32,
  xD: u32, xH: u32, xW: u32, qD: u32, qH: u32, qW: u32, kD: u32, kH: u32, kW: u32, // q: of outputs
  strideD: u32, strideH: u32, strideW: u32, padD: u32, padH: u32, padW: u32,
}

override RUN: u32 = 4u; // divisions take longer than the sums of a pixel
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
  let q = id.y * groups.x * 64u + id.x;
  if (q >= p.count) { return; }
  let line = q / p.qW;
  let slab = line / p.qH;
  let image = slab / p.qD;
  // Modulo 2³²: before the first element is far behind the last.
  let d = (slab - image * p.qD) * p.strideD - p.padD;
  let h = (line - slab * p.qH) * p.strideH - p.padH;
  let first = ((q - line * p.qW) * p.strideW - p.padW) * p.channels;
  let pitch = p.xW * p.channels;
  let width = p.kW * p.channels;
  var at = q * p.rowSize;
  for (var kd = 0u; kd < p.kD; kd++) {
    for (var kh = 0u; kh < p.kH; kh++) {
      let inside = d + kd < p.xD && h + kh < p.xH;
      let row = ((image * p.xD + d + kd) * p.xH + h + kh) * pitch;
      for (var j = first; j != first + width; j++) {
        unfolded[at] = select(T(), x[row + j], inside && j < pitch);
        at++;
      }
    }
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

// A row of pixels, and how far its first tap along the depth and the height is.
struct Line { image: u32, d: u32, h: u32 }

// From one tap that reaches a pixel to the next its output is one less, modulo 2³².
fn sumOf(line: Line, v: u32) -> vec3f {
  var total = biasOf();
  let column = v / p.strideW;
  let firstW = v - column * p.strideW;
  var qd = line.d / p.strideD;
  for (var kd = line.d - qd * p.strideD; kd < p.kD; kd += p.strideD) {
    var qh = line.h / p.strideH;
    for (var kh = line.h - qh * p.strideH; kh < p.kH; kh += p.strideH) {
      var qw = column;
      for (var kw = firstW; kw < p.kW; kw += p.strideW) {
        if (qd < p.qD && qh < p.qH && qw < p.qW) {
          let q = ((line.image * p.qD + qd) * p.qH + qh) * p.qW + qw;
          total += patchOf(q * p.rowSize + ((kd * p.kH + kh) * p.kW + kw) * CHANNELS);
        }
        qw -= 1u;
      }
      qh -= 1u;
    }
    qd -= 1u;
  }
  return total;
}

@compute @workgroup_size(64)
fn fold(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= p.count) { return; }
  let runs = (p.xW + RUN - 1u) / RUN;
  let row = i / runs;
  let slab = row / p.xH;
  let image = slab / p.xD;
  let line = Line(image, slab - image * p.xD + p.padD, row - slab * p.xH + p.padH);
  let first = (i - row * runs) * RUN;
  for (var w = first; w < min(first + RUN, p.xW); w++) {
    store((row * p.xW + w) * CHANNELS, sumOf(line, w + p.padW));
  }
}
