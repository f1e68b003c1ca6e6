// out[i] = x[i] as another element type. FROM and TO: 0 f32, 1 i32, 2 u32. Floats to an integer cut towards 0 and saturate;
// NaN becomes 0. Between integers the bits stay. `widen` is from T (f16), `narrow` to it, `convert` between the others.
// A thread converts 4 elements, a workgroup 256.
alias T = f32;
override FROM: u32 = 0u;
override TO: u32 = 0u;

struct CastParams { count: u32 } // vectors

@group(0) @binding(0) var<uniform> params: CastParams;
@group(0) @binding(1) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read> xHalf: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> outHalf: array<vec4<T>>;

fn toFloat(bits: vec4u) -> vec4f {
  switch FROM {
    case 0u: { return bitcast<vec4f>(bits); }
    case 1u: { return vec4f(bitcast<vec4i>(bits)); }
    default: { return vec4f(bits); }
  }
}

fn fromFloat(bits: vec4u) -> vec4u {
  let v = bitcast<vec4f>(bits);
  let nan = (bits & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
  switch TO {
    case 0u: { return bits; }
    case 1u: { return select(bitcast<vec4u>(vec4i(v)), vec4u(0), nan); }
    default: { return select(vec4u(v), vec4u(0), nan); }
  }
}

fn converted(bits: vec4u) -> vec4u {
  if (FROM == TO) { return bits; }
  if (FROM == 0u) { return fromFloat(bits); }
  if (TO == 0u) { return bitcast<vec4u>(toFloat(bits)); }
  return bits;
}

@compute @workgroup_size(64)
fn convert(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < params.count) { out[i] = converted(x[i]); }
}

@compute @workgroup_size(64)
fn widen(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < params.count) { out[i] = fromFloat(bitcast<vec4u>(vec4f(xHalf[i]))); }
}

@compute @workgroup_size(64)
fn narrow(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < params.count) { outHalf[i] = vec4<T>(toFloat(x[i])); }
}
