enable subgroups;
// As `rows` of reduce.wgsl for dense rows, but a subgroup has a chunk of a row, so that partial results are few: for GPUs.
// How large a subgroup is only the adapter knows, so there may be more of them than chunks: those do nothing.
alias T = f32; // of x; everything else is f32
override OP: u32 = 0u; // 0 sum, 1 max, 2 min (both pass NaN on), 3 Σ exp(x − shift), 4 Σ (x − shift)²

struct RowParams {
  parts: u32, // chunks of all rows
  chunks: u32, // of a row
  length: u32, // vectors of a row
  share: u32, // of a chunk
  elements: u32, // of a row
  scale: f32,
  neutral: f32,
}

@group(0) @binding(0) var<uniform> params: RowParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> shift: array<f32>; // one for each row
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [rows, chunks]

// By bit pattern: compilers may assume that x != x is false.
fn isNan(v: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

// An infinite shift would make exp(∞ − ∞) = NaN: 0 instead.
fn finite(v: f32) -> f32 {
  return select(v, 0.0, (bitcast<u32>(v) & 0x7fffffffu) == 0x7f800000u);
}

fn shifted(v: vec4f, row: u32) -> vec4f {
  switch OP {
    case 3u: { return exp(v - finite(shift[row])); }
    case 4u: { return (v - shift[row]) * (v - shift[row]); }
    default: { return v; }
  }
}

fn merge(a: vec4f, b: vec4f) -> vec4f {
  switch OP {
    case 1u: { return select(a, b, (b > a) | isNan(b)); }
    case 2u: { return select(a, b, (b < a) | isNan(b)); }
    default: { return a + b; }
  }
}

// What lies past the last element must not count, and may be NaN.
fn inside(j: u32, v: vec4f) -> vec4f {
  return select(vec4f(params.neutral), v, vec4u(j * 4u) + vec4u(0, 1, 2, 3) < vec4u(params.elements));
}

// Over all lanes; adapters differ in the largest of numbers and NaN.
fn together(v: vec4f) -> f32 {
  let pair = merge(v, v.zwxy);
  let own = merge(pair, pair.yxwz).x;
  if (OP != 1u && OP != 2u) { return subgroupAdd(own); }
  let broken = subgroupAny(isNan(vec4f(own)).x);
  let most = select(subgroupMin(own), subgroupMax(own), OP == 1u);
  return select(most, bitcast<f32>(0x7fc00000u | min(params.elements, 0u)), broken);
}

@compute @workgroup_size(128)
fn rows(
  @builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32,
) {
  let part = (id.y * groups.x + id.x) * (128u / lanes) + subgroupMin(thread) / lanes;
  let row = part / params.chunks;
  let begin = part % params.chunks * params.share;
  let end = select(begin, min(begin + params.share, params.length), part < params.parts);
  var total = vec4f(params.neutral);
  for (var j = begin + lane; j < end; j += lanes) {
    total = merge(total, inside(j, shifted(vec4f(x[row * params.length + j]), row)));
  }
  let result = together(total) * params.scale;
  if (lane == 0u && part < params.parts) { out[part] = result; }
}
