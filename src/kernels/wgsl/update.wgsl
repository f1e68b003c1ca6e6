// Optimiser steps in place: one pass over the parameter and its state. A thread updates one vec4.
//
// sgd:          d = grad + decay * param;  param -= rate * d
// sgdMomentum:  v = momentum * v + d;  param -= rate * v, with Nesterov rate * (d + momentum * v)
// adamw:        m = beta1 * m + (1 - beta1) * grad;  v = beta2 * v + (1 - beta2) * grad^2
//               param = keep * param - rate * m / (sqrt(v) * rootScale + epsilon)
//               with keep = 1 - learningRate * weightDecay, rate = learningRate / (1 - beta1^step),
//               rootScale = 1 / sqrt(1 - beta2^step), all computed in double precision by the caller
// ema:          target = keep * target + take * value
// accumulate:   target = (fresh ? 0 : target) + scale * value
//
// With skipNaN an element stays as it is, and its state too, where its gradient is NaN: a step that loss scaling skips.

struct SgdParams { count: u32, rate: f32, decay: f32, momentum: f32, nesterov: u32, skipNaN: u32 }
struct AdamParams {
  count: u32, keep: f32, rate: f32, rootScale: f32, epsilon: f32, beta1: f32, take1: f32, beta2: f32, take2: f32,
  skipNaN: u32,
}
struct EmaParams { count: u32, keep: f32, take: f32 }
struct AccumulateParams { count: u32, scale: f32, fresh: u32 }

@group(0) @binding(0) var<uniform> sgdParams: SgdParams;
@group(0) @binding(0) var<uniform> adam: AdamParams;
@group(0) @binding(0) var<uniform> emaParams: EmaParams;
@group(0) @binding(0) var<uniform> accumulateParams: AccumulateParams;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> velocity: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> square: array<vec4f>;

// By bit pattern: adapters differ in comparisons of NaN.
fn skipped(g: vec4f, skipNaN: u32) -> vec4<bool> {
  return ((bitcast<vec4u>(g) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u)) & vec4<bool>(skipNaN == 1u);
}

@compute @workgroup_size(64)
fn sgd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= sgdParams.count) { return; }
  let p = param[i];
  let g = grad[i];
  param[i] = select(p - sgdParams.rate * (g + sgdParams.decay * p), p, skipped(g, sgdParams.skipNaN));
}

@compute @workgroup_size(64)
fn sgdMomentum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= sgdParams.count) { return; }
  let p = param[i];
  let g = grad[i];
  let skip = skipped(g, sgdParams.skipNaN);
  let d = g + sgdParams.decay * p;
  let old = velocity[i];
  let v = sgdParams.momentum * old + d;
  velocity[i] = select(v, old, skip);
  param[i] = select(p - sgdParams.rate * select(v, d + sgdParams.momentum * v, sgdParams.nesterov == 1u), p, skip);
}

@compute @workgroup_size(64)
fn adamw(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= adam.count) { return; }
  let g = grad[i];
  let skip = skipped(g, adam.skipNaN);
  let p = param[i];
  let first = velocity[i];
  let second = square[i];
  let m = adam.beta1 * first + adam.take1 * g;
  let v = adam.beta2 * second + adam.take2 * g * g;
  velocity[i] = select(m, first, skip);
  square[i] = select(v, second, skip);
  param[i] = select(adam.keep * p - adam.rate * m / (sqrt(v) * adam.rootScale + adam.epsilon), p, skip);
}

@compute @workgroup_size(64)
fn ema(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < emaParams.count) { param[i] = emaParams.keep * param[i] + emaParams.take * grad[i]; }
}

@compute @workgroup_size(64)
fn accumulate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= accumulateParams.count) { return; }
  let before = select(param[i], vec4f(0), vec4<bool>(accumulateParams.fresh == 1u));
  param[i] = before + accumulateParams.scale * grad[i];
}
