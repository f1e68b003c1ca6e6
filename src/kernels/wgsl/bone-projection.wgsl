// Puts the joints of a skeleton back on the spheres around their parents, from the root to the leaves:
// out[v] = out[p] + L * (moved[v] - out[p]) / |moved[v] - out[p]|, with L = |origin[v] - origin[p]| and p the parent of v,
// but no coordinate farther than epsilon from origin[v]: where it would be, the direction is turned back towards that of the bone in
// origin, by bisection, as little as it takes. Turned back all the way, a joint moves as its parent does, which is within epsilon.
// A root is taken as it is. All tensors are [frames, joints, 3]; order lists the joints, parents before children. A thread
// handles one frame.
alias T = f32;

struct BoneParams { frames: u32, joints: u32, epsilon: f32 }

@group(0) @binding(0) var<uniform> bones: BoneParams;
@group(0) @binding(1) var<storage, read> moved: array<T>;
@group(0) @binding(2) var<storage, read> origin: array<T>;
@group(0) @binding(3) var<storage, read> order: array<i32>;
@group(0) @binding(4) var<storage, read> parents: array<i32>;
@group(0) @binding(5) var<storage, read_write> out: array<T>;

const HALVINGS = 20;

fn isNear(point: vec3f, centre: vec3f) -> bool {
  return all(abs(point - centre) <= vec3f(bones.epsilon));
}

// Of the directions between `bone` and `wanted`, both of length 1, the farthest from `bone` that keeps its end near `centre`.
fn turn(start: vec3f, bone: vec3f, wanted: vec3f, size: f32, centre: vec3f, rigid: vec3f) -> vec3f {
  if (isNear(start + size * wanted, centre)) { return start + size * wanted; }
  var low = 0.0;
  var high = 1.0;
  var best = rigid;
  for (var i = 0; i < HALVINGS; i++) {
    let share = 0.5 * (low + high);
    let between = mix(bone, wanted, share);
    let point = start + between * (size / max(length(between), 1e-6));
    if (isNear(point, centre) && length(between) > 1e-3) {
      low = share;
      best = point;
    } else {
      high = share;
    }
  }
  return best;
}

@compute @workgroup_size(64)
fn project(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let frame = id.y * groups.x * 64u + id.x;
  if (frame >= bones.frames) { return; }
  let base = frame * bones.joints * 3u;
  for (var i = 0u; i < bones.joints; i++) {
    let v = order[i];
    let p = parents[v];
    let at = base + u32(v) * 3u;
    var point = vec3f(moved[at], moved[at + 1u], moved[at + 2u]);
    if (p >= 0) {
      let above = base + u32(p) * 3u;
      let here = vec3f(origin[at], origin[at + 1u], origin[at + 2u]);
      let joint = vec3f(origin[above], origin[above + 1u], origin[above + 2u]);
      let start = vec3f(out[above], out[above + 1u], out[above + 2u]);
      let bone = here - joint;
      let wanted = point - start;
      let size = length(bone);
      let far = length(wanted);
      let rigid = here + (start - joint);
      point = rigid;
      if (size > 0.0 && far > 0.0) { point = turn(start, bone / size, wanted / far, size, here, rigid); }
    }
    out[at] = T(point.x);
    out[at + 1u] = T(point.y);
    out[at + 2u] = T(point.z);
  }
}
