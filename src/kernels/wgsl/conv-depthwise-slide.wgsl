// Depthwise convolution 3×3 with stride 1: y[n, h, v, c] = Σ_ij x[n, h + i − padH, v + j − padW, c] · w[i, j, c] + bias[c]
// + residual[n, h, v, c], then the activation; x [N, H, W, C], w [3, 3, 1, C], C a multiple of 4. With FLIP the taps are
// taken in reverse, which makes it its own adjoint.
// A thread has 4 channels of 2 adjacent columns and slides down `rows` rows: it reads each row of x once (4 vectors) for
// the three rows of y that need it, of which two are under way.
alias T = f32; // of all tensors; products and sums are f32

struct SlideParams {
  threads: u32, cBlocks: u32, pairs: u32, strips: u32, rows: u32, // pairs of columns; strips of `rows` rows
  xH: u32, xW: u32, yH: u32, yW: u32,
  padH: u32, padW: u32, // modulo 2³²
  slope: f32,
}

override FLIP: bool = false;
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u; // 0 none, 1 relu, 2 leakyRelu

@group(0) @binding(0) var<uniform> params: SlideParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(5) var<storage, read> residual: array<vec4<T>>;

fn tap(k: u32, cBlock: u32) -> vec4f {
  return vec4f(w[select(k, 8u - k, FLIP) * params.cBlocks + cBlock]);
}

fn load(row: u32, v: u32, cBlock: u32, rowInside: bool) -> vec4f {
  let value = vec4f(x[(row + v) * params.cBlocks + cBlock]);
  return select(vec4f(), value, rowInside && v < params.xW);
}

fn store(i: u32, v: vec4f, cBlock: u32) {
  var result = v;
  if (HAS_BIAS) { result += vec4f(bias[cBlock]); }
  if (HAS_RESIDUAL) { result += vec4f(residual[i]); }
  if (ACTIVATION == 1u) { result = select(result, vec4f(), result < vec4f()); }
  if (ACTIVATION == 2u) { result = select(result, params.slope * result, result < vec4f()); }
  y[i] = vec4<T>(result);
}

@compute @workgroup_size(64)
fn slide(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  if (thread >= params.threads) { return; }
  let cBlock = thread % params.cBlocks;
  let column = thread / params.cBlocks;
  let strip = column / params.pairs;
  let left = column % params.pairs * 2u;
  let top = strip % params.strips * params.rows;
  let n = strip / params.strips;
  let w0 = tap(0u, cBlock);
  let w1 = tap(1u, cBlock);
  let w2 = tap(2u, cBlock);
  let w3 = tap(3u, cBlock);
  let w4 = tap(4u, cBlock);
  let w5 = tap(5u, cBlock);
  let w6 = tap(6u, cBlock);
  let w7 = tap(7u, cBlock);
  let w8 = tap(8u, cBlock);
  // Of the left and the right column: the row of y that this row of x completes, and the next one.
  var a0 = vec4f();
  var a1 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  let v = left - params.padW;
  let count = min(params.rows, params.yH - top) + 2u;
  for (var k = 0u; k < count; k++) {
    let h = top + k - params.padH;
    let row = (n * params.xH + h) * params.xW;
    let inside = h < params.xH;
    let x0 = load(row, v, cBlock, inside);
    let x1 = load(row, v + 1u, cBlock, inside);
    let x2 = load(row, v + 2u, cBlock, inside);
    let x3 = load(row, v + 3u, cBlock, inside);
    if (k >= 2u) {
      let at = ((n * params.yH + top + k - 2u) * params.yW + left) * params.cBlocks + cBlock;
      store(at, a0 + x0 * w6 + x1 * w7 + x2 * w8, cBlock);
      if (left + 1u < params.yW) { store(at + params.cBlocks, a1 + x1 * w6 + x2 * w7 + x3 * w8, cBlock); }
    }
    a0 = b0 + x0 * w3 + x1 * w4 + x2 * w5;
    a1 = b1 + x1 * w3 + x2 * w4 + x3 * w5;
    b0 = x0 * w0 + x1 * w1 + x2 * w2;
    b1 = x1 * w0 + x2 * w1 + x3 * w2;
  }
}
