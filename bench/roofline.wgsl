// What an adapter can do at most, one resource at a time: multiply-add in registers, storage, workgroup memory, barriers.
// Every entry writes what it computed, so that no compiler can leave the work out.
// fma2 … fma8: a thread keeps 2 … 8 chains of vec4 that do not wait for one another; `steps` × 4 fused multiply-adds each.
// copy, copyScalar: destination[i] = source[i], `count` elements; a thread takes adjacent ones, PER_THREAD of them.
// workgroupReads: a thread reads `steps` vec4 of 16 KiB of workgroup memory. barriers: `steps` of them in a workgroup of 64.
// zeroed: touches one word of 16 KiB of workgroup memory, which must be zero at the start.

struct Params {
  count: u32,
  steps: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> destination: array<vec4f>;
@group(0) @binding(3) var<storage, read> sourceScalar: array<f32>;
@group(0) @binding(4) var<storage, read_write> destinationScalar: array<f32>;

override PER_THREAD: u32 = 1;
// Another value is another pipeline, which no driver has in its cache.
override SALT: f32 = 0;

var<workgroup> words: array<vec4f, 1024>;

fn index(id: vec3u, groups: vec3u) -> u32 {
  return id.x + id.y * groups.x * 64;
}

@compute @workgroup_size(64)
fn fma2(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let x = vec4f(params.scale);
  let y = vec4f(f32(id.x & 3) + 1 + SALT);
  var a = y;
  var b = y + 1;
  for (var i = 0u; i < params.steps; i++) {
    a = fma(a, x, y);
    b = fma(b, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
  }
  destination[index(id, groups)] = a + b;
}

@compute @workgroup_size(64)
fn fma4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let x = vec4f(params.scale);
  let y = vec4f(f32(id.x & 3) + 1 + SALT);
  var a = y;
  var b = y + 1;
  var c = y + 2;
  var d = y + 3;
  for (var i = 0u; i < params.steps; i++) {
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
  }
  destination[index(id, groups)] = a + b + c + d;
}

@compute @workgroup_size(64)
fn fma8(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let x = vec4f(params.scale);
  let y = vec4f(f32(id.x & 3) + 1 + SALT);
  var a = y;
  var b = y + 1;
  var c = y + 2;
  var d = y + 3;
  var e = y + 4;
  var f = y + 5;
  var g = y + 6;
  var h = y + 7;
  for (var i = 0u; i < params.steps; i++) {
    for (var j = 0u; j < 4; j++) {
      a = fma(a, x, y);
      b = fma(b, x, y);
      c = fma(c, x, y);
      d = fma(d, x, y);
      e = fma(e, x, y);
      f = fma(f, x, y);
      g = fma(g, x, y);
      h = fma(h, x, y);
    }
  }
  destination[index(id, groups)] = (a + b + c + d) + (e + f + g + h);
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = index(id, groups) * PER_THREAD;
  for (var i = first; i < min(first + PER_THREAD, params.count); i++) {
    destination[i] = source[i];
  }
}

@compute @workgroup_size(64)
fn copyScalar(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = index(id, groups) * PER_THREAD;
  for (var i = first; i < min(first + PER_THREAD, params.count); i++) {
    destinationScalar[i] = sourceScalar[i];
  }
}

@compute @workgroup_size(64)
fn workgroupReads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < 1024; i += 64) {
    words[i] = vec4f(params.scale + f32(i));
  }
  workgroupBarrier();
  var total = vec4f(0);
  for (var i = 0u; i < params.steps; i++) {
    total += words[(lane + i * 64) & 1023];
  }
  destination[index(id, groups)] = total;
}

@compute @workgroup_size(64)
fn barriers(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var i = 0u; i < params.steps; i++) {
    words[lane] = vec4f(f32(i));
    workgroupBarrier();
  }
  destination[index(id, groups)] = words[lane ^ 1];
}

@compute @workgroup_size(64)
fn zeroed(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  destination[index(id, groups)] = words[(lane + params.steps) & 1023];
}
