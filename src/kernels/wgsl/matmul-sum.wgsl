// out[i] = Σ_s parts[s · size + i] + bias[i mod n] + residual[i]: the splits of a product, added up in order.
// Flat arrays; size is a multiple of 4 and includes padding. A thread computes 4 elements.
struct SumPartsParams { vectors: u32, splits: u32, n: u32 } // vectors: size / 4

alias T = f32; // of all but the parts
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;

@group(0) @binding(0) var<uniform> params: SumPartsParams;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<T>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<T>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<T>>;

@compute @workgroup_size(64)
fn sumParts(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= params.vectors) { return; }
  var total = vec4f();
  for (var split = 0u; split < params.splits; split++) { total += parts[split * params.vectors + i]; }
  if (HAS_BIAS) {
    let j = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u);
    let at = j % vec4u(params.n);
    total += vec4f(vec4<T>(bias[at.x], bias[at.y], bias[at.z], bias[at.w]));
  }
  if (HAS_RESIDUAL) { total += vec4f(residual[i]); }
  out[i] = vec4<T>(total);
}
