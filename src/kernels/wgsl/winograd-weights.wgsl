// The gradient of the weights of a convolution that winograd.wgsl can compute: Gᵀ·(Σ (Bᵀ·x·B) ⊙ (A·g·Aᵀ))·G, of g = dLoss/dy, over
// all tiles. `tiles` of winograd.wgsl makes v [36, planes, C] of x; LINE, tiles, rows and elements are as there. The sums are
// products of matrices, one for each element, which matmul makes: u = vᵀ·m, a row of v being the planes that a row of m saw.
// gradients: m [36, rows, O] = A·g·Aᵀ, g [images, yD, yH, yW, O], zeros outside and in rows that are none; a thread has one row and 4 o.
// weights:   w [kD, 3, 3, C, O] from u [36, taps, C, O], added to what is there with ADD; zeros for taps along the depth that are left
//            out. A thread has one tap along the depth, one c and 4 o.
override LINE: bool = false;
override ADD: bool = false;

struct WinogradWeightsParams {
  firstTile: u32, tiles: u32, tilesH: u32, tilesW: u32,
  period: u32, rows: u32,
  kD: u32, taps: u32, firstTap: u32, // along the depth, in w
  channels: u32, filters: u32, // in vec4
  yD: u32, yH: u32, yW: u32,
}
@group(0) @binding(0) var<uniform> p: WinogradWeightsParams;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> elements: array<vec4f>; // m
@group(0) @binding(2) var<storage, read_write> w: array<vec4f>;

struct Three { a: vec4f, b: vec4f, c: vec4f }
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }

// Column `column` of the 6×6 elements that start at `at`, `pitch` apart. The last one has to do with a fourth column of outputs only.
fn storeColumn(at: u32, pitch: u32, column: u32, s: Six) {
  if (LINE && column == 5u) { return; }
  let first = at + 6u * column * pitch;
  elements[first] = s.a;
  elements[first + pitch] = s.b;
  elements[first + 2u * pitch] = s.c;
  elements[first + 3u * pitch] = s.d;
  elements[first + 4u * pitch] = s.e;
  elements[first + 5u * pitch] = s.f;
}

struct Tile { image: u32, at: vec2u }

fn tileOf(local: u32) -> Tile {
  let t = p.firstTile + local;
  let line = t / p.tilesW;
  let size = select(vec2u(4u, 4u), vec2u(12u, 1u), LINE);
  return Tile(line / p.tilesH, vec2u(line % p.tilesH, t % p.tilesW) * size);
}

// Where a place of a tile is in a plane.
fn placeIn(tile: Tile, row: u32, column: u32) -> vec2u {
  return tile.at + select(vec2u(row, column), vec2u(3u * row + column, 0u), LINE);
}

fn isOutput(at: vec2u, column: u32) -> bool { return at.x < p.yH && at.y < p.yW && (!LINE || column < 3u); }

fn outputGradient(plane: u32, tile: Tile, row: u32, column: u32, o: u32) -> vec4f {
  let at = placeIn(tile, row, column);
  return select(vec4f(), g[((plane * p.yH + at.x) * p.yW + at.y) * p.filters + o], isOutput(at, column));
}

// A times a column of four.
fn spread(g: Four) -> Six {
  let even = g.a + g.c;
  let odd = g.b + g.d;
  let evenTwo = g.a + 4.0 * g.c;
  let oddTwo = 2.0 * g.b + 8.0 * g.d;
  return Six(g.a, even + odd, even - odd, evenTwo + oddTwo, evenTwo - oddTwo, g.d);
}

fn gradientRow(plane: u32, tile: Tile, row: u32, o: u32) -> Six {
  return spread(Four(outputGradient(plane, tile, row, 0u, o), outputGradient(plane, tile, row, 1u, o),
    outputGradient(plane, tile, row, 2u, o), outputGradient(plane, tile, row, 3u, o)));
}

@compute @workgroup_size(64)
fn gradients(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let pitch = p.rows * p.filters;
  if (i >= pitch) { return; }
  let line = i / p.filters;
  let depth = line % p.period;
  if (depth >= p.yD) {
    for (var column = 0u; column < 6u; column++) { storeColumn(i, pitch, column, Six()); }
    return;
  }
  let tile = tileOf(line / p.period);
  let plane = tile.image * p.yD + depth;
  let o = i % p.filters;
  let r0 = gradientRow(plane, tile, 0u, o);
  let r1 = gradientRow(plane, tile, 1u, o);
  let r2 = gradientRow(plane, tile, 2u, o);
  let r3 = gradientRow(plane, tile, 3u, o);
  storeColumn(i, pitch, 0u, spread(Four(r0.a, r1.a, r2.a, r3.a)));
  storeColumn(i, pitch, 1u, spread(Four(r0.b, r1.b, r2.b, r3.b)));
  storeColumn(i, pitch, 2u, spread(Four(r0.c, r1.c, r2.c, r3.c)));
  storeColumn(i, pitch, 3u, spread(Four(r0.d, r1.d, r2.d, r3.d)));
  storeColumn(i, pitch, 4u, spread(Four(r0.e, r1.e, r2.e, r3.e)));
  storeColumn(i, pitch, 5u, spread(Four(r0.f, r1.f, r2.f, r3.f)));
}

// Gᵀ times a column of six.
fn gather(u: Six) -> Three {
  let sum = (u.b + u.c) / -6.0;
  let sumTwo = u.d + u.e;
  return Three(u.a / 4.0 + sum + sumTwo / 24.0, (u.c - u.b) / 6.0 + (u.d - u.e) / 12.0, sum + sumTwo / 6.0 + u.f);
}

fn weightColumn(at: u32, pitch: u32, column: u32) -> Three {
  if (LINE && column == 5u) { return Three(); }
  let first = at + 6u * column * pitch;
  return gather(Six(
    u[first], u[first + pitch], u[first + 2u * pitch], u[first + 3u * pitch], u[first + 4u * pitch], u[first + 5u * pitch]));
}

fn storeWeightRow(at: u32, row: u32, s: Three) {
  let pitch = p.channels * 4u * p.filters;
  let first = at + 3u * row * pitch;
  let values = array(s.a, s.b, s.c);
  for (var column = 0u; column < 3u; column++) {
    let place = first + column * pitch;
    if (ADD) { w[place] += values[column]; } else { w[place] = values[column]; }
  }
}

@compute @workgroup_size(64)
fn weights(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let matrix = p.channels * 4u * p.filters;
  if (i >= p.kD * matrix) { return; }
  let plane = i / matrix;
  let at = plane * 9u * matrix + i % matrix;
  let tap = plane - p.firstTap; // modulo 2³²
  if (tap >= p.taps) {
    for (var row = 0u; row < 3u; row++) { storeWeightRow(at, row, Three()); }
    return;
  }
  let pitch = p.taps * matrix;
  let first = tap * matrix + i % matrix;
  let c0 = weightColumn(first, pitch, 0u);
  let c1 = weightColumn(first, pitch, 1u);
  let c2 = weightColumn(first, pitch, 2u);
  let c3 = weightColumn(first, pitch, 3u);
  let c4 = weightColumn(first, pitch, 4u);
  let c5 = weightColumn(first, pitch, 5u);
  storeWeightRow(at, 0u, gather(Six(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a)));
  storeWeightRow(at, 1u, gather(Six(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b)));
  storeWeightRow(at, 2u, gather(Six(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c)));
}
