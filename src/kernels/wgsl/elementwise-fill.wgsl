// out[i] = the number `value`, given as bits: any 4-byte type, or f16 with T = f16. A thread stores 4 elements, a workgroup 256.
alias T = u32;

struct FillParams { count: u32, value: T } // count: vectors

@group(0) @binding(0) var<uniform> params: FillParams;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<T>>;

@compute @workgroup_size(64)
fn fill(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < params.count) { out[i] = vec4<T>(params.value); }
}
