// Pixels as numbers: out[h, w, c] = byte c of texel (h, w) / 255, for c < channels.
// texels: one word of r, g, b, a bytes each, rows `stride` words apart. out: [H, W, C], row-major.
// A thread writes four adjacent elements; past the end it repeats the last one.
struct ImageParams { count: u32, width: u32, stride: u32, channels: u32 }

@group(0) @binding(0) var<uniform> image: ImageParams;
@group(0) @binding(1) var<storage, read> texels: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

fn element(index: u32) -> f32 {
  let i = min(index, image.count - 1u);
  let pixel = i / image.channels;
  let word = texels[pixel / image.width * image.stride + pixel % image.width];
  return unpack4x8unorm(word)[i % image.channels];
}

@compute @workgroup_size(64)
fn unpackPixels(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.y * groups.x * 64u + id.x;
  let i = 4u * at;
  if (i >= image.count) { return; }
  out[at] = vec4f(element(i), element(i + 1u), element(i + 2u), element(i + 3u));
}
