// Convolution with stride 1 by minimal filtering, F(4×4, 3×3) of planes: y = Aᵀ·(Σ_cd (G·w·Gᵀ) ⊙ (Bᵀ·x·B))·A + bias + residual for
// each tile of 4×4 outputs, with 36 multiplications in place of 144 (Lavin and Gray 2016, section 4.3), of windows kD×3×3. The sums
// over channels c and taps d along the depth are products of matrices, one for each of 36 elements, made by matmul between the passes.
// With LINE the window is nine taps along the height: taps and outputs are rows of three, the next row three places on. A tile is 4
// rows of 3 outputs in a line, with 30 multiplications in place of 108: of 36 elements the first 30.
// filters:   u [36, taps, C, O] = G·w·Gᵀ, w [kD, 3, 3, C, O], with ADJOINT [kD, 3, 3, O, C] turned by 180°; a thread has a tap, a c, 4 o.
// tiles:     v [36, planes, C] = Bᵀ·x·B of the 6×6 inputs behind each tile, zeros outside; x [images, xD, xH, xW, C]. Plane d of tile t
//            is t·period + d, of which the first padD are zeros, so that the planes an output sees lie behind one another: they are
//            a row of the matrix that is multiplied, and begin where row t·period + d of the product does. Where a tile's last
//            outputs see zeros, these are the next tile's first. A thread has one plane and 4 c.
// outputs:   y [images, yD, yH, yW, O] from m [36, rows, O], but for rows that are none (period > yD); a thread has a plane of a tile, 4 o.
// The gradient of w from g = dLoss/dy, Gᵀ·(Σ (Bᵀ·x·B) ⊙ (A·g·Aᵀ))·G over all tiles, takes the tiles v of x and
// gradients: m [36, rows, O] = A·g·Aᵀ, g [images, yD, yH, yW, O], zeros outside and in rows that are none; a thread has a row, 4 o.
// weights:   y = dLoss/dw [kD, 3, 3, C, O] from m = vᵀ·m [36, taps, C, O]; added to what is there with ADD, zeros for taps along the
//            depth that are left out. A thread has one tap along the depth, one c and 4 o.
// Tile t, counted from firstTile, is (image·tilesH + row)·tilesW + column, element e of 36 is 6·column + row.
override LINE: bool = false;
override ADJOINT: bool = false;
override ADD: bool = false;
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u; // 0 none, 1 relu, 2 leakyRelu

struct WinogradParams {
  firstTile: u32, tiles: u32, tilesH: u32, tilesW: u32, period: u32, planes: u32, rows: u32,
  kD: u32, taps: u32, firstTap: u32, // along the depth, in w; with ADJOINT they are counted down from the first
  channels: u32, filters: u32, // in vec4
  xD: u32, xH: u32, xW: u32, yD: u32, yH: u32, yW: u32, padD: u32, padH: u32, padW: u32, slope: f32,
}
@group(0) @binding(0) var<uniform> p: WinogradParams;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> wScalar: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> elements: array<vec4f>; // u, v or m
@group(0) @binding(4) var<storage, read> residual: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

struct Three { a: vec4f, b: vec4f, c: vec4f }
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }

fn byG(w: Three) -> Six {
  let even = (w.a + w.c) / -6.0;
  let odd = w.b / 6.0;
  let evenHalf = w.a / 24.0 + w.c / 6.0;
  let oddHalf = w.b / 12.0;
  return Six(w.a / 4.0, even - odd, even + odd, evenHalf + oddHalf, evenHalf - oddHalf, w.c);
}

fn byB(x: Six) -> Six {
  let even = x.e - 4.0 * x.c;
  let odd = x.d - 4.0 * x.b;
  let evenTwo = x.e - x.c;
  let oddTwo = 2.0 * (x.d - x.b);
  return Six(4.0 * x.a - 5.0 * x.c + x.e, even + odd, even - odd, evenTwo + oddTwo, evenTwo - oddTwo, 4.0 * x.b - 5.0 * x.d + x.f);
}

fn byA(m: Six) -> Four {
  let sum = m.b + m.c;
  let difference = m.b - m.c;
  let sumTwo = m.d + m.e;
  let differenceTwo = m.d - m.e;
  return Four(m.a + sum + sumTwo, difference + 2.0 * differenceTwo, sum + 4.0 * sumTwo, difference + 8.0 * differenceTwo + m.f);
}

// Four filters of one channel, and the first of their nine taps in a plane.
struct Filters { c: u32, o: u32, nine: u32 }

fn tap(some: Filters, row: u32, column: u32) -> vec4f {
  let place = row * 3u + column;
  if (!ADJOINT) { return w[((some.nine + place) * p.channels * 4u + some.c) * p.filters + some.o]; }
  let pitch = p.channels * 4u;
  let at = ((some.nine + 8u - place) * p.filters * 4u + some.o * 4u) * pitch + some.c;
  return vec4f(wScalar[at], wScalar[at + pitch], wScalar[at + 2u * pitch], wScalar[at + 3u * pitch]);
}
fn tapRow(some: Filters, row: u32) -> Six { return byG(Three(tap(some, row, 0u), tap(some, row, 1u), tap(some, row, 2u))); }

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

@compute @workgroup_size(64)
fn filters(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let channels = p.channels * 4u;
  let pitch = p.taps * channels * p.filters;
  if (i >= pitch) { return; }
  let line = i / p.filters;
  let depth = line / channels;
  let plane = select(p.firstTap + depth, p.firstTap - depth, ADJOINT);
  let some = Filters(line % channels, i % p.filters, plane * 9u);
  let top = tapRow(some, 0u);
  let middle = tapRow(some, 1u);
  let bottom = tapRow(some, 2u);
  storeColumn(i, pitch, 0u, byG(Three(top.a, middle.a, bottom.a)));
  storeColumn(i, pitch, 1u, byG(Three(top.b, middle.b, bottom.b)));
  storeColumn(i, pitch, 2u, byG(Three(top.c, middle.c, bottom.c)));
  storeColumn(i, pitch, 3u, byG(Three(top.d, middle.d, bottom.d)));
  storeColumn(i, pitch, 4u, byG(Three(top.e, middle.e, bottom.e)));
  storeColumn(i, pitch, 5u, byG(Three(top.f, middle.f, bottom.f)));
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

// An input of a plane of x, zero in the padding. No output of a line sees the last column.
fn input(plane: u32, tile: Tile, row: u32, column: u32, c: u32) -> vec4f {
  if (LINE && column == 5u) { return vec4f(); }
  let at = placeIn(tile, row, column) - vec2u(p.padH, p.padW); // modulo 2³²
  let inside = at.x < p.xH && at.y < p.xW;
  return select(vec4f(), x[((plane * p.xH + at.x) * p.xW + at.y) * p.channels + c], inside);
}

fn inputRow(plane: u32, tile: Tile, row: u32, c: u32) -> Six {
  return byB(Six(
    input(plane, tile, row, 0u, c), input(plane, tile, row, 1u, c), input(plane, tile, row, 2u, c),
    input(plane, tile, row, 3u, c), input(plane, tile, row, 4u, c), input(plane, tile, row, 5u, c)));
}

@compute @workgroup_size(64)
fn tiles(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let pitch = p.planes * p.channels;
  if (i >= pitch) { return; }
  let line = i / p.channels;
  let depth = line % p.period - p.padD; // modulo 2³²
  if (depth >= p.xD) {
    for (var column = 0u; column < 6u; column++) { storeColumn(i, pitch, column, Six()); }
    return;
  }
  let tile = tileOf(line / p.period);
  let plane = tile.image * p.xD + depth;
  let c = i % p.channels;
  let r0 = inputRow(plane, tile, 0u, c);
  let r1 = inputRow(plane, tile, 1u, c);
  let r2 = inputRow(plane, tile, 2u, c);
  let r3 = inputRow(plane, tile, 3u, c);
  let r4 = inputRow(plane, tile, 4u, c);
  let r5 = inputRow(plane, tile, 5u, c);
  storeColumn(i, pitch, 0u, byB(Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a)));
  storeColumn(i, pitch, 1u, byB(Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b)));
  storeColumn(i, pitch, 2u, byB(Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c)));
  storeColumn(i, pitch, 3u, byB(Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d)));
  storeColumn(i, pitch, 4u, byB(Six(r0.e, r1.e, r2.e, r3.e, r4.e, r5.e)));
  storeColumn(i, pitch, 5u, byB(Six(r0.f, r1.f, r2.f, r3.f, r4.f, r5.f)));
}

fn elementColumn(at: u32, pitch: u32, column: u32) -> Six {
  if (LINE && column == 5u) { return Six(); }
  let first = at + 6u * column * pitch;
  return Six(m[first], m[first + pitch], m[first + 2u * pitch], m[first + 3u * pitch], m[first + 4u * pitch], m[first + 5u * pitch]);
}

fn storeOutput(plane: u32, tile: Tile, row: u32, column: u32, o: u32, value: vec4f) {
  let at = placeIn(tile, row, column);
  if (!isOutput(at, column)) { return; }
  let place = ((plane * p.yH + at.x) * p.yW + at.y) * p.filters + o;
  var result = value;
  if (HAS_BIAS) { result += bias[o]; }
  if (HAS_RESIDUAL) { result += residual[place]; }
  if (ACTIVATION == 1u) { result = select(result, vec4f(), result < vec4f()); }
  if (ACTIVATION == 2u) { result = select(result, p.slope * result, result < vec4f()); }
  y[place] = result;
}

fn storeOutputRow(plane: u32, tile: Tile, row: u32, o: u32, s: Four) {
  storeOutput(plane, tile, row, 0u, o, s.a);
  storeOutput(plane, tile, row, 1u, o, s.b);
  storeOutput(plane, tile, row, 2u, o, s.c);
  storeOutput(plane, tile, row, 3u, o, s.d);
}

@compute @workgroup_size(64)
fn outputs(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= p.tiles * p.yD * p.filters) { return; }
  let line = i / p.filters;
  let depth = line % p.yD;
  let tile = tileOf(line / p.yD);
  let plane = tile.image * p.yD + depth;
  let o = i % p.filters;
  let pitch = p.rows * p.filters;
  let first = (line / p.yD * p.period + depth) * p.filters + o;
  let c0 = byA(elementColumn(first, pitch, 0u));
  let c1 = byA(elementColumn(first, pitch, 1u));
  let c2 = byA(elementColumn(first, pitch, 2u));
  let c3 = byA(elementColumn(first, pitch, 3u));
  let c4 = byA(elementColumn(first, pitch, 4u));
  let c5 = byA(elementColumn(first, pitch, 5u));
  storeOutputRow(plane, tile, 0u, o, byA(Six(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a)));
  storeOutputRow(plane, tile, 1u, o, byA(Six(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b)));
  storeOutputRow(plane, tile, 2u, o, byA(Six(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c)));
  storeOutputRow(plane, tile, 3u, o, byA(Six(c0.d, c1.d, c2.d, c3.d, c4.d, c5.d)));
}

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
  var tile = tileOf(line / p.period);
  if (depth >= p.yD) { tile.at.x = p.yH; } // a row that is none lies outside
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

fn storeWeightRow(at: u32, row: u32, s: Three) {
  let pitch = p.channels * 4u * p.filters;
  let first = at + 3u * row * pitch;
  let values = array(s.a, s.b, s.c);
  for (var column = 0u; column < 3u; column++) {
    let place = first + column * pitch;
    if (ADD) { y[place] += values[column]; } else { y[place] = values[column]; }
  }
}

@compute @workgroup_size(64)
fn weights(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  let matrix = p.channels * 4u * p.filters;
  if (i >= p.kD * matrix) { return; }
  let plane = i / matrix;
  let at = plane * 9u * matrix + i % matrix;
  let depth = plane - p.firstTap; // modulo 2³²
  if (depth >= p.taps) {
    for (var row = 0u; row < 3u; row++) { storeWeightRow(at, row, Three()); }
    return;
  }
  let pitch = p.taps * matrix;
  let first = depth * matrix + i % matrix;
  let c0 = gather(elementColumn(first, pitch, 0u));
  let c1 = gather(elementColumn(first, pitch, 1u));
  let c2 = gather(elementColumn(first, pitch, 2u));
  let c3 = gather(elementColumn(first, pitch, 3u));
  let c4 = gather(elementColumn(first, pitch, 4u));
  let c5 = gather(elementColumn(first, pitch, 5u));
  storeWeightRow(at, 0u, gather(Six(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a)));
  storeWeightRow(at, 1u, gather(Six(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b)));
  storeWeightRow(at, 2u, gather(Six(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c)));
}
