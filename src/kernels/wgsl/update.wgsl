// Optimiser steps in place: one pass over the parameter and its state. A thread updates one vec4.
//
// sgd:          d = grad + decay * param;  param -= rate * d
// sgdMomentum:  v = momentum * v + d;  param -= rate * v, with Nesterov rate * (d + momentum * v)
// adamw:        m = beta1 * m + (1 - beta1) * grad;  v = beta2 * v + (1 - beta2) * grad^2
//               param = keep * param - rate * m / (sqrt(v) * rootScale + epsilon)
//               with keep = 1 - learningRate * weightDecay, rate = learningRate / (1 - beta1^step),
//               rootScale = 1 / sqrt(1 - beta2^step), all computed in double precision by the caller
// ema:          target = keep * target + take * value

struct SgdParams { count: u32, rate: f32, decay: f32, momentum: f32, nesterov: u32 }
struct AdamParams {
  count: u32, keep: f32, rate: f32, rootScale: f32, epsilon: f32, beta1: f32, take1: f32, beta2: f32, take2: f32,
}
struct EmaParams { count: u32, keep: f32, take: f32 }

@group(0) @binding(0) var<uniform> sgdParams: SgdParams;
@group(0) @binding(0) var<uniform> adam: AdamParams;
@group(0) @binding(0) var<uniform> emaParams: EmaParams;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> velocity: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> square: array<vec4f>;

@compute @workgroup_size(64)
fn sgd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= sgdParams.count) { return; }
  let p = param[i];
  param[i] = p - sgdParams.rate * (grad[i] + sgdParams.decay * p);
}

@compute @workgroup_size(64)
fn sgdMomentum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= sgdParams.count) { return; }
  let p = param[i];
  let d = grad[i] + sgdParams.decay * p;
  let v = sgdParams.momentum * velocity[i] + d;
  velocity[i] = v;
  param[i] = p - sgdParams.rate * select(v, d + sgdParams.momentum * v, sgdParams.nesterov == 1u);
}

@compute @workgroup_size(64)
fn adamw(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i >= adam.count) { return; }
  let g = grad[i];
  let m = adam.beta1 * velocity[i] + adam.take1 * g;
  let v = adam.beta2 * square[i] + adam.take2 * g * g;
  velocity[i] = m;
  square[i] = v;
  param[i] = adam.keep * param[i] - adam.rate * m / (sqrt(v) * adam.rootScale + adam.epsilon);
}

@compute @workgroup_size(64)
fn ema(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64u + id.x;
  if (i < emaParams.count) { param[i] = emaParams.keep * param[i] + emaParams.take * grad[i]; }
}
