// Moves of a row of n elements that are fixed by one number t, the smallest f32 >= 0 for which a monotone sum over the row
// meets `bound` of that row. RULE says which (a = values or gradient, low <= 0 <= high how far an element may move):
// 0 ball:   out = clamp(shrink(a, t), low, high), where sum |out| <= bound: projection on an l1 ball within a box
// 1 linf:   out = sign(a) * min(t, room), 2 l2: out = clamp(t * a, low, high), 3 l1: the largest |a| move as far as they
//           may, in order; all three where sum a * out >= bound: the shortest way to a hyperplane within a box
// 4 sparse: out = sign(a) / count for the `bound` elements of largest |a| (and those equal to the last), 0 for the others
// Positive f32 are ordered as their bits, so t is found exactly in 31 halvings. A workgroup of LANES threads has one row.
// A NaN in a moves nothing.
override LANES: u32 = 64;
override RULE: u32 = 0;

struct SolveParams { rows: u32, n: u32 }
@group(0) @binding(0) var<uniform> p: SolveParams;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> low: array<f32>;
@group(0) @binding(3) var<storage, read> high: array<f32>;
@group(0) @binding(4) var<storage, read> bound: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
var<workgroup> scratch: array<f32, LANES>;

fn laneSum(lane: u32, v: f32) -> f32 {
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

fn value(i: u32) -> f32 {
  let v = a[i];
  return select(v, 0.0, (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u);
}

fn shrunk(i: u32, t: f32) -> f32 {
  let v = value(i);
  return clamp(sign(v) * max(abs(v) - t, 0.0), low[i], high[i]);
}

// How far element i may move in the direction of its sign.
fn room(i: u32, v: f32) -> f32 {
  return select(select(0.0, -low[i], v < 0.0), high[i], v > 0.0);
}

fn term(i: u32, t: f32, goal: f32) -> f32 {
  let v = value(i);
  if (RULE == 0u) { return abs(shrunk(i, t)); }
  if (RULE == 1u) { return abs(v) * min(t, room(i, v)); }
  if (RULE == 2u) { return v * clamp(t * v, low[i], high[i]); }
  if (RULE == 3u) { return select(0.0, min(abs(v) * room(i, v), goal), abs(v) >= t && v != 0.0); }
  return select(0.0, 1.0, abs(v) >= t && v != 0.0);
}

fn rowSum(lane: u32, first: u32, t: f32, goal: f32) -> f32 {
  var total = 0.0;
  for (var i = lane; i < p.n; i += LANES) { total += term(first + i, t, goal); }
  return laneSum(lane, total);
}

fn meets(total: f32, goal: f32) -> bool {
  if (RULE == 0u) { return total <= goal; }
  if (RULE <= 2u) { return total >= goal; }
  return total < goal;
}

@compute @workgroup_size(LANES)
fn solve(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = min(group.y * groups.x + group.x, p.rows - 1u);
  let lane = local.x;
  let first = row * p.n;
  let goal = bound[row];
  // Holds at `above`, or never; does not at `below`, which is -1 where it holds at once.
  var below = -1;
  var above = 0x7149f2ca; // 1e30
  for (var k = 0u; k < 31u; k++) {
    let middle = below + (above - below) / 2;
    let holds = meets(rowSum(lane, first, bitcast<f32>(max(middle, 0)), goal), goal);
    let open = above - below > 1;
    if (open && holds) { above = middle; }
    if (open && !holds) { below = middle; }
  }
  let t = bitcast<f32>(above);
  // Rules 3 and 4: the last |a| that takes part, and what it and the larger ones add up to.
  let last = bitcast<f32>(max(below, 0));
  let larger = rowSum(lane, first, t, goal);
  let all = rowSum(lane, first, last, goal);
  for (var i = first + lane; i < first + p.n; i += LANES) {
    let v = value(i);
    if (RULE == 0u) { out[i] = shrunk(i, t); }
    if (RULE == 1u) { out[i] = sign(v) * min(t, room(i, v)); }
    if (RULE == 2u) { out[i] = clamp(t * v, low[i], high[i]); }
    if (RULE == 3u) {
      let share = select(clamp((goal - larger) / max(all - larger, 1e-30), 0.0, 1.0), 1.0, abs(v) > last);
      let way = min(room(i, v), goal / max(abs(v), 1e-30));
      out[i] = select(0.0, sign(v) * share * way, abs(v) >= last && v != 0.0);
    }
    if (RULE == 4u) { out[i] = select(0.0, sign(v) / max(all, 1.0), abs(v) >= last && v != 0.0); }
  }
}
