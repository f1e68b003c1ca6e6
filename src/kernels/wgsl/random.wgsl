// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// Block b is philox(counter = (base0 + b, base1, base2, base3), key): four words, which are elements 4b … 4b + 3.
//
// drawBits:     out = the words
// drawUniform:  out = min(low + scale * u, most), u = (word >> 8) / 2^24 in [0, 1)
// drawNormal:   out = mean + std * z, z by Box-Muller from two words
// dropout:      out = x * scale where (word >> 8) >= threshold, else 0
// permute:      out[i] = image of i under a 24-round Feistel network on 2^(left + right) values, keyed by words, applied
//               again until the image is less than n (cycle walking), so that it is a permutation of 0 … n - 1
// A thread computes one block and writes one vec4; in permute, one element.

alias T = f32; // of what dropout reads and writes

struct DrawParams {
  count: u32, base0: u32, base1: u32, base2: u32, base3: u32, key0: u32, key1: u32,
  low: f32, scale: f32, most: f32, threshold: u32,
}
struct PermuteParams { n: u32, left: u32, right: u32, stream: u32, key0: u32, key1: u32 }

@group(0) @binding(0) var<uniform> draw: DrawParams;
@group(0) @binding(0) var<uniform> permutation: PermuteParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> kept: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> outWords: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> order: array<u32>;

// The upper half of the 64-bit product, from 16-bit halves.
fn mulHigh(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let mid = a1 * b0 + ((a0 * b0) >> 16u);
  let low = a0 * b1 + (mid & 0xffffu);
  return a1 * b1 + (mid >> 16u) + (low >> 16u);
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high = vec2u(mulHigh(0xD2511F53u, c.x), mulHigh(0xCD9E8D57u, c.z));
    let low = vec2u(0xD2511F53u * c.x, 0xCD9E8D57u * c.z);
    c = vec4u(high.y ^ c.y ^ k.x, low.y, high.x ^ c.w ^ k.y, low.x);
    k += vec2u(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}

fn block(i: u32) -> vec4u {
  return philox(vec4u(draw.base0 + i, draw.base1, draw.base2, draw.base3), vec2u(draw.key0, draw.key1));
}

@compute @workgroup_size(64)
fn drawBits(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < draw.count) { outWords[i] = block(i); }
}

@compute @workgroup_size(64)
fn drawUniform(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= draw.count) { return; }
  let u = vec4f(block(i) >> vec4u(8u)) * (1.0 / 16777216.0);
  out[i] = min(draw.low + draw.scale * u, vec4f(draw.most));
}

@compute @workgroup_size(64)
fn drawNormal(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= draw.count) { return; }
  let word = block(i);
  // (0, 1]: the logarithm is finite; with all 32 bits the tail reaches 6.6 standard deviations.
  let u = (vec2f(word.xz) + 1.0) * (1.0 / 4294967296.0);
  let radius = sqrt(max(-2.0 * log(u), vec2f(0.0)));
  // In [-pi, pi), where sin and cos are accurate.
  let angle = (vec2f(word.yw >> vec2u(8u)) * (1.0 / 8388608.0) - 1.0) * 3.14159265;
  let c = radius * cos(angle);
  let s = radius * sin(angle);
  out[i] = draw.low + draw.scale * vec4f(c.x, s.x, c.y, s.y);
}

@compute @workgroup_size(64)
fn dropout(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= draw.count) { return; }
  let keep = (block(i) >> vec4u(8u)) >= vec4u(draw.threshold);
  kept[i] = vec4<T>(select(vec4f(0.0), vec4f(x[i]) * draw.scale, keep));
}

// The finaliser of MurmurHash3: every input bit reaches every output bit.
fn scramble(word: u32) -> u32 {
  var h = word;
  h = (h ^ (h >> 16u)) * 0x85ebca6bu;
  h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
  return h ^ (h >> 16u);
}

@compute @workgroup_size(64)
fn permute(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= permutation.n) { return; }
  // 24 rounds: with 8, some orders of a few elements are visibly more frequent than others.
  var keys: array<vec4u, 6>;
  for (var k = 0u; k < 6u; k++) {
    keys[k] = philox(vec4u(k, 0u, permutation.stream, 0u), vec2u(permutation.key0, permutation.key1));
  }
  let leftMask = (1u << permutation.left) - 1u;
  let rightMask = (1u << permutation.right) - 1u;
  var image = i;
  loop {
    var l = image >> permutation.right;
    var r = image & rightMask;
    for (var k = 0u; k < 6u; k++) {
      l ^= scramble(r ^ keys[k].x) & leftMask;
      r ^= scramble(l ^ keys[k].y) & rightMask;
      l ^= scramble(r ^ keys[k].z) & leftMask;
      r ^= scramble(l ^ keys[k].w) & rightMask;
    }
    image = (l << permutation.right) | r;
    if (image < permutation.n) { break; }
  }
  order[i] = image;
}
