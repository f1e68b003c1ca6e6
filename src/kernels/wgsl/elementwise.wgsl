// out[i] = a[i] + b[i] over vec4 elements.
struct BinaryParams { vectors: u32, stride: u32 }

@group(0) @binding(0) var<uniform> binaryParams: BinaryParams;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn binary(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < binaryParams.vectors) { out[i] = a[i] + b[i]; }
}
