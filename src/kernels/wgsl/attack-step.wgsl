// One step of steepest ascent in the l-infinity norm, projected on a ball and a range:
// out = clamp(clamp(x + step * sign(g), origin - epsilon, origin + epsilon), low, high).
// All tensors are flat arrays of the same size; a thread handles one vec4. A NaN gradient moves nothing.
alias T = f32;

struct AttackParams { vectors: u32, step: f32, epsilon: f32, low: f32, high: f32 }

@group(0) @binding(0) var<uniform> attack: AttackParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<T>>;
@group(0) @binding(3) var<storage, read> origin: array<vec4<T>>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<T>>;

@compute @workgroup_size(64)
fn ascend(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= attack.vectors) { return; }
  let centre = vec4f(origin[i]);
  let gradient = vec4f(g[i]);
  let direction = select(vec4f(0), vec4f(1), gradient > vec4f(0)) - select(vec4f(0), vec4f(1), gradient < vec4f(0));
  let moved = vec4f(x[i]) + attack.step * direction;
  let inBall = clamp(moved, centre - attack.epsilon, centre + attack.epsilon);
  out[i] = vec4<T>(clamp(inBall, vec4f(attack.low), vec4f(attack.high)));
}
