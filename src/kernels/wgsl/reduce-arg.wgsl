// out[o] = index, among the reduced elements in row-major order, of the largest (OP 0) or smallest (OP 1) one; the first
// of equals; NaN beats everything. Axes as in reduce.wgsl. A thread looks at every chunks-th element for one output; with
// several chunks their winners [chunks, outputs] are the `candidates` of the next pass (FIRST = 0).
alias T = f32; // of x; everything else is f32
override OP: u32 = 0u;
override FIRST: u32 = 0u;

struct ArgParams {
  outputs: u32,
  chunks: u32,
  length: u32, // elements, or candidates, for each output
  neutral: f32,
  keepSize0: u32, keepSize1: u32,
  keepStride0: u32, keepStride1: u32, keepStride2: u32,
  reduceSize0: u32, reduceSize1: u32,
  reduceStride0: u32, reduceStride1: u32, reduceStride2: u32,
}

@group(0) @binding(0) var<uniform> params: ArgParams;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> candidates: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

fn keptAt(o: u32) -> u32 {
  let rest = o / params.keepSize0;
  let first = (o - rest * params.keepSize0) * params.keepStride0;
  let last = rest / params.keepSize1;
  return first + (rest - last * params.keepSize1) * params.keepStride1 + last * params.keepStride2;
}

fn reducedAt(r: u32) -> u32 {
  let rest = r / params.reduceSize0;
  let first = (r - rest * params.reduceSize0) * params.reduceStride0;
  let last = rest / params.reduceSize1;
  return first + (rest - last * params.reduceSize1) * params.reduceStride1 + last * params.reduceStride2;
}

fn isNan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn wins(v: f32, best: f32) -> bool {
  let ahead = select(v > best, v < best, OP == 1u);
  return !isNan(best) && (ahead || isNan(v));
}

@compute @workgroup_size(64)
fn arg(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.y * groups.x * 64u + id.x;
  let chunk = thread / params.outputs;
  let o = thread - chunk * params.outputs;
  let base = keptAt(o);
  var best = params.neutral;
  var winner = 0xffffffffu;
  for (var r = chunk; r < params.length; r += params.chunks) {
    var index = r;
    if (FIRST == 0u) { index = candidates[r * params.outputs + o]; }
    let v = f32(x[base + reducedAt(index)]);
    let equal = v == best || (isNan(v) && isNan(best));
    if (wins(v, best) || (equal && index < winner)) {
      best = v;
      winner = index;
    }
  }
  if (chunk < params.chunks) { out[thread] = winner; }
}
