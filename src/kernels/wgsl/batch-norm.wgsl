// Per channel of x [rows, C]: mean and biased variance; y = (x − mean)·r·gamma + beta with r = 1/√(variance + epsilon);
//   dbeta = Σ g, dgamma = Σ g·(x − mean)·r, dx = gamma·r·(g − dbeta/rows − (x − mean)·r·dgamma/rows), and scaleGrad4
//   dx = gamma·r·g for given statistics. With RELU y is relu of that; scaleGrad4 then takes that y as x, g being its gradient.
// A thread has four channels (…4) or one, and chunkRows rows. Sums over rows go through partial [2, chunks, 4·quads]:
// moments writes the mean and Σ (x − mean)² of its chunk, shifted by the chunk's first row (so nothing cancels),
// gradSums writes Σ g and Σ g·(x − mean)·r. combine…: a workgroup of LANES threads adds the chunks of four channels
// in a fixed order.
alias T = f32; // of x, y and g; what belongs to a channel is f32
override LANES: u32 = 64;
override RELU: u32 = 0u;

struct ChannelParams { rows: u32, channels: u32, chunkRows: u32, chunks: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: ChannelParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> xScalar: array<T>;
@group(0) @binding(2) var<storage, read> mean: array<vec4f>;
@group(0) @binding(2) var<storage, read> meanScalar: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<vec4f>;
@group(0) @binding(3) var<storage, read> varianceScalar: array<f32>;
@group(0) @binding(4) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(4) var<storage, read> gammaScalar: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<vec4f>;
@group(0) @binding(5) var<storage, read> betaScalar: array<f32>;
@group(0) @binding(6) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(6) var<storage, read> gScalar: array<T>;
@group(0) @binding(5) var<storage, read> dgamma: array<vec4f>;
@group(0) @binding(5) var<storage, read> dgammaScalar: array<f32>;
@group(0) @binding(7) var<storage, read> dbeta: array<vec4f>;
@group(0) @binding(7) var<storage, read> dbetaScalar: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<vec4<T>>;
@group(0) @binding(8) var<storage, read_write> yScalar: array<T>;
@group(0) @binding(8) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> partialScalar: array<f32>;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> second: array<vec4f>;
var<workgroup> scratch: array<vec4f, LANES>;

// What a thread works on: elements at, at + step, … (count of them) of one channel or quad.
struct Column { channel: u32, chunk: u32, at: u32, step: u32, count: u32 }

fn column(i: u32, width: u32) -> Column {
  let chunk = i / width;
  let row = chunk * p.chunkRows;
  let count = min(p.chunkRows, p.rows - min(row, p.rows));
  return Column(i % width, chunk, row * width + i % width, width, count);
}

fn quads() -> u32 { return (p.channels + 3u) / 4u; }

@compute @workgroup_size(64)
fn moments4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, quads());
  if (c.chunk >= p.chunks) { return; }
  let shift = vec4f(x[c.at]);
  var total = vec4f(0.0);
  var squares = vec4f(0.0);
  for (var k = 1u; k < c.count; k++) {
    let d = vec4f(x[c.at + k * c.step]) - shift;
    total += d;
    squares += d * d;
  }
  let n = f32(c.count);
  partial[c.chunk * c.step + c.channel] = shift + total / n;
  partial[(p.chunks + c.chunk) * c.step + c.channel] = max(squares - total * total / n, total * 0.0);
}

@compute @workgroup_size(64)
fn moments(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, p.channels);
  if (c.chunk >= p.chunks) { return; }
  let shift = f32(xScalar[c.at]);
  var total = 0.0;
  var squares = 0.0;
  for (var k = 1u; k < c.count; k++) {
    let d = f32(xScalar[c.at + k * c.step]) - shift;
    total += d;
    squares += d * d;
  }
  let n = f32(c.count);
  partialScalar[c.chunk * 4u * quads() + c.channel] = shift + total / n;
  partialScalar[(p.chunks + c.chunk) * 4u * quads() + c.channel] = max(squares - total * total / n, total * 0.0);
}

@compute @workgroup_size(64)
fn gradSums4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, quads());
  if (c.chunk >= p.chunks) { return; }
  let m = mean[c.channel];
  var total = vec4f(0.0);
  var product = vec4f(0.0);
  for (var k = 0u; k < c.count; k++) {
    let upstream = vec4f(g[c.at + k * c.step]);
    total += upstream;
    product += upstream * (vec4f(x[c.at + k * c.step]) - m);
  }
  partial[c.chunk * c.step + c.channel] = total;
  partial[(p.chunks + c.chunk) * c.step + c.channel] = product * inverseSqrt(variance[c.channel] + p.epsilon);
}

@compute @workgroup_size(64)
fn gradSums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, p.channels);
  if (c.chunk >= p.chunks) { return; }
  let m = meanScalar[c.channel];
  let r = inverseSqrt(varianceScalar[c.channel] + p.epsilon);
  var total = 0.0;
  var product = 0.0;
  for (var k = 0u; k < c.count; k++) {
    let upstream = f32(gScalar[c.at + k * c.step]);
    total += upstream;
    product += upstream * (f32(xScalar[c.at + k * c.step]) - m);
  }
  partialScalar[c.chunk * 4u * quads() + c.channel] = total;
  partialScalar[(p.chunks + c.chunk) * 4u * quads() + c.channel] = product * r;
}

fn laneSum(lane: u32, v: vec4f) -> vec4f {
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

fn rowsOf(chunk: u32) -> f32 { return f32(min(p.chunkRows, p.rows - chunk * p.chunkRows)); }

// first = mean, second = variance.
@compute @workgroup_size(LANES)
fn combineMoments(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quad = id.y * groups.x + id.x;
  if (quad >= quads()) { return; }
  let origin = parts[quad];
  var total = vec4f(0.0);
  for (var i = lane; i < p.chunks; i += LANES) { total += rowsOf(i) * (parts[i * quads() + quad] - origin); }
  let center = origin + laneSum(lane, total) / f32(p.rows);
  var squares = vec4f(0.0);
  for (var i = lane; i < p.chunks; i += LANES) {
    let d = parts[i * quads() + quad] - center;
    squares += parts[(p.chunks + i) * quads() + quad] + rowsOf(i) * d * d;
  }
  squares = laneSum(lane, squares);
  if (lane == 0u) {
    first[quad] = center;
    second[quad] = squares / f32(p.rows);
  }
}

// first = Σ of the first parts, second = Σ of the second parts.
@compute @workgroup_size(LANES)
fn combineSums(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quad = id.y * groups.x + id.x;
  if (quad >= quads()) { return; }
  var a = vec4f(0.0);
  var b = vec4f(0.0);
  for (var i = lane; i < p.chunks; i += LANES) {
    a += parts[i * quads() + quad];
    b += parts[(p.chunks + i) * quads() + quad];
  }
  a = laneSum(lane, a);
  b = laneSum(lane, b);
  if (lane == 0u) {
    first[quad] = a;
    second[quad] = b;
  }
}

@compute @workgroup_size(64)
fn normalize4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, quads());
  let m = mean[c.channel];
  let scale = gamma[c.channel] * inverseSqrt(variance[c.channel] + p.epsilon);
  let shift = beta[c.channel];
  for (var k = 0u; k < c.count; k++) {
    let at = c.at + k * c.step;
    let v = (vec4f(x[at]) - m) * scale + shift;
    y[at] = vec4<T>(select(v, vec4f(0.0), (v < vec4f(0.0)) & vec4<bool>(RELU == 1u)));
  }
}

@compute @workgroup_size(64)
fn normalize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, p.channels);
  let m = meanScalar[c.channel];
  let scale = gammaScalar[c.channel] * inverseSqrt(varianceScalar[c.channel] + p.epsilon);
  let shift = betaScalar[c.channel];
  for (var k = 0u; k < c.count; k++) {
    let at = c.at + k * c.step;
    yScalar[at] = T((f32(xScalar[at]) - m) * scale + shift);
  }
}

@compute @workgroup_size(64)
fn normalizeGrad4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, quads());
  let n = f32(p.rows);
  let m = mean[c.channel];
  let r = inverseSqrt(variance[c.channel] + p.epsilon);
  let scale = gamma[c.channel] * r;
  let level = dbeta[c.channel] / n;
  let slope = dgamma[c.channel] * r / n;
  for (var k = 0u; k < c.count; k++) {
    let at = c.at + k * c.step;
    y[at] = vec4<T>(scale * (vec4f(g[at]) - level - (vec4f(x[at]) - m) * slope));
  }
}

@compute @workgroup_size(64)
fn normalizeGrad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, p.channels);
  let n = f32(p.rows);
  let m = meanScalar[c.channel];
  let r = inverseSqrt(varianceScalar[c.channel] + p.epsilon);
  let scale = gammaScalar[c.channel] * r;
  let level = dbetaScalar[c.channel] / n;
  let slope = dgammaScalar[c.channel] * r / n;
  for (var k = 0u; k < c.count; k++) {
    let at = c.at + k * c.step;
    yScalar[at] = T(scale * (f32(gScalar[at]) - level - (f32(xScalar[at]) - m) * slope));
  }
}

@compute @workgroup_size(64)
fn scaleGrad4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = column(id.y * groups.x * 64u + id.x, quads());
  let scale = gamma[c.channel] * inverseSqrt(variance[c.channel] + p.epsilon);
  for (var k = 0u; k < c.count; k++) {
    let at = c.at + k * c.step;
    var upstream = vec4f(g[at]);
    if (RELU == 1u) { upstream = select(vec4f(0.0), upstream, vec4f(x[at]) > vec4f(0.0)); }
    y[at] = vec4<T>(upstream * scale);
  }
}
