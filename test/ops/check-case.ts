import { grad, valueAndGrad } from '../../src/autograd/grad.ts';
import { add, cast, mul } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import { POISON } from '../../src/tensor/pool.ts';
import { isFloat } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { materialize, type OpCase } from './case.ts';
import { Expected, listOf, type NdInputs, randomLike } from './expected.ts';
import { inner, type Nd, nd } from './nd.ts';

/**
 * Everything that is wrong with an op at one case, on one device, and with each variant of the `forced` families; empty when all is
 * well.
 */
export async function checkCase(device: Device, test: OpCase, forced: readonly string[]): Promise<string[]> {
  const inputs = inputsOf(test);
  const expected = new Expected(test, inputs);
  device.variants.offered.clear();
  const failures = await checkOnce(device, test, inputs, expected);
  const offered = [...device.variants.offered].map(([family, names]) => [family, [...names]] as const);
  for (const [family, names] of offered) {
    if (names.length < 2 || test.forced === 'none' || !forced.includes(family)) continue;
    for (const name of names) {
      device.variants.forced.set(family, name);
      const found = await checkOnce(device, test, inputs, expected);
      failures.push(...found.map((failure) => `variant ${family}=${name}: ${failure}`));
    }
    device.variants.forced.delete(family);
  }
  return failures;
}

async function checkOnce(
  device: Device,
  test: OpCase,
  inputs: NdInputs,
  expected: Expected,
): Promise<string[]> {
  return device.scope(async () => {
    const failures = await checkForward(device, test, inputs, expected);
    if (test.forced === 'forward' && device.variants.forced.size > 0) return failures;
    if (wanted(test).length > 0) {
      failures.push(...(await checkGradients(device, test, inputs, expected)));
      if (test.secondOrder) failures.push(...(await checkSecondOrder(device, test, inputs, expected)));
    }
    for (const name of test.linear ?? [])
      failures.push(...(await checkAdjoint(device, test, inputs, expected, name)));
    return failures;
  });
}

export function inputsOf(test: OpCase): NdInputs {
  return mapValues(test.inputs, (input, i) => materialize(input, 1000 + i));
}

export function upload(device: Device, test: OpCase, inputs: NdInputs): Record<string, Tensor> {
  const arrays = { f32: Float32Array, f16: Float32Array, i32: Int32Array, u32: Uint32Array };
  return mapValues(inputs, ({ shape, data }, _, name) => {
    const dtype = test.inputs[name]?.dtype ?? 'f32';
    return device.tensor(new arrays[dtype](data), shape, dtype === 'f16' ? dtype : undefined);
  });
}

async function checkForward(
  device: Device,
  test: OpCase,
  inputs: NdInputs,
  expected: Expected,
): Promise<string[]> {
  const tensors = upload(device, test, inputs);
  const outputs = listOf(test.op(tensors));
  const again = folded(device, test, () => listOf(test.op(tensors)));
  const failures: string[] = [];
  const got: Nd[] = [];
  for (const [i, output] of outputs.entries()) {
    const data = await output.read();
    got.push(nd(output.shape, data));
    failures.push(...compare(`output ${i}`, got[i] as Nd, expected.outputs[i] as Nd, test.tolerance ?? 1e-5));
    if (!sameBits(data, await (again[i] as Tensor).read()))
      failures.push(`output ${i}: other bits the second time, with workgroups folded into two dimensions`);
    failures.push(...(await checkGuard(`output ${i}`, output)));
  }
  if (outputs.length !== expected.outputs.length)
    failures.push(`${outputs.length} outputs, expected ${expected.outputs.length}`);
  const wrong = test.property?.(got, inputs);
  return wrong ? [...failures, `property: ${wrong}`] : failures;
}

/** Runs `action` as if a dimension had room for 3 workgroups (5 where 3 × 65,535 are too few): what 65,535 do, in small. */
function folded<R>(device: Device, { large }: Pick<OpCase, 'large'>, action: () => R): R {
  const { foldAt } = device.queue;
  device.queue.foldAt = large ? 5 : 3;
  try {
    return action();
  } finally {
    device.queue.foldAt = foldAt;
  }
}

/** Memory behind the output must still hold the poison it was filled with (vec4 stores may use up to 16 bytes). */
async function checkGuard(what: string, output: Tensor): Promise<string[]> {
  const { buffer } = output.storage('guard');
  const words = new Uint32Array(await output.device.queue.read(buffer, buffer.bytes));
  const start = Math.ceil(output.bytes / 16) * 4;
  const hit = words.subarray(start).findIndex((word) => word !== POISON);
  return hit < 0 ? [] : [`${what}: wrote ${4 * (start + hit) - output.bytes} bytes past its end`];
}

/** loss = Σ cotangent · output, differentiated on the device and by central differences of the reference. */
async function checkGradients(
  device: Device,
  test: OpCase,
  inputs: NdInputs,
  expected: Expected,
): Promise<string[]> {
  const names = wanted(test);
  const tensors = upload(device, test, inputs);
  const { grads } = folded(device, test, () =>
    valueAndGrad(
      () => device.scope(() => lossOf(device, test, viewsOf(tensors), expected.cotangents)),
      names.map((n) => tensors[n] as Tensor),
    ),
  );
  const failures: string[] = [];
  for (const [i, name] of names.entries()) {
    const gradient = grads[i] as Tensor;
    const got = await gradient.read();
    if (gradient.dtype !== tensors[name]?.dtype) failures.push(`gradient of ${name}: it is ${gradient}`);
    const numeric = expected.gradient(name);
    failures.push(...compareProbes(`gradient of ${name}`, got, numeric, test.gradientTolerance ?? 1e-4));
  }
  return failures;
}

/** uᵀHv for random u and v, with H the Hessian over all wanted inputs: two `grad`s against second differences. */
async function checkSecondOrder(
  device: Device,
  test: OpCase,
  inputs: NdInputs,
  expected: Expected,
): Promise<string[]> {
  const names = wanted(test);
  const tensors = upload(device, test, inputs);
  const wrt = names.map((name) => tensors[name] as Tensor);
  const [u, v] = [directions(names, inputs, 31), directions(names, inputs, 32)];
  const vTensors = v.map((direction) => device.tensor(new Float32Array(direction.data), direction.shape));
  const hessianTimesV = grad(() => {
    const first = grad(() => lossOf(device, test, tensors, expected.cotangents), wrt);
    return first.map((g, i) => sum(mul(g, vTensors[i] as Tensor))).reduce((a, b) => add(a, b));
  }, wrt);
  let got = 0;
  for (const [i, direction] of u.entries())
    got += inner(await (hessianTimesV[i] as Tensor).read(), direction.data);
  const numeric = expected.curvature(names, u, v);
  const error = Math.abs(got - numeric) / Math.max(Math.abs(numeric), 1);
  return error < 2e-3 ? [] : [`second order: got ${got}, expected ${numeric}`];
}

async function checkAdjoint(
  device: Device,
  test: OpCase,
  inputs: NdInputs,
  expected: Expected,
  name: string,
): Promise<string[]> {
  const tensors = upload(device, test, inputs);
  const x = tensors[name] as Tensor;
  const y = expected.cotangents;
  const forward = listOf(test.op(tensors));
  let left = 0;
  for (const [i, output] of forward.entries()) left += inner(await output.read(), (y[i] as Nd).data);
  const [adjoint] = grad(() => lossOf(device, test, tensors, y), [x]);
  const right = inner((inputs[name] as Nd).data, await (adjoint as Tensor).read());
  const error = Math.abs(left - right) / Math.max(Math.abs(left), 1);
  return error < 1e-3 ? [] : [`adjoint of ${name}: ⟨Ax,y⟩ = ${left}, ⟨x,Aᵀy⟩ = ${right}`];
}

function lossOf(
  device: Device,
  test: OpCase,
  tensors: Record<string, Tensor>,
  cotangents: readonly Nd[],
): Tensor {
  const outputs = listOf(test.op(tensors));
  const terms = outputs.flatMap((output, i) => {
    if (!isFloat(output.dtype)) return [];
    const { shape, data } = cotangents[i] as Nd;
    const view = reshape(output, output.shape);
    const wide = output.dtype === 'f32' ? view : cast(view, 'f32');
    return [sum(mul(wide, device.tensor(new Float32Array(data), shape)))];
  });
  return terms.reduce((a, b) => add(a, b));
}

/** The same memory under other names, which a scope takes away again: a rule that reads what it does not say it reads fails. */
function viewsOf(tensors: Record<string, Tensor>): Record<string, Tensor> {
  return mapValues(tensors, (tensor) => reshape(tensor, tensor.shape));
}

function compareProbes(
  what: string,
  got: ArrayLike<number>,
  expected: Map<number, number>,
  tolerance: number,
): string[] {
  const scale = Math.max(...[...expected.values()].map(Math.abs), 1e-2);
  for (const [i, value] of expected) {
    const error = Math.abs((got[i] ?? Number.NaN) - value);
    if (!(error <= tolerance * scale)) return [`${what}[${i}]: got ${got[i]}, expected ${value}`];
  }
  return [];
}

function compare(what: string, got: Nd, expected: Nd, tolerance: number): string[] {
  if (got.shape.join() !== expected.shape.join())
    return [`${what}: shape [${got.shape}], expected [${expected.shape}]`];
  const scale = scaleOf(expected.data);
  for (let i = 0; i < expected.data.length; i++) {
    const [value, other] = [expected.data[i] ?? Number.NaN, got.data[i] ?? Number.NaN];
    const same = Object.is(other, value) || other === value || Math.abs(other - value) <= tolerance * scale;
    if (!same) return [`${what}[${i}]: got ${other}, expected ${value}`];
  }
  return [];
}

/** The largest finite magnitude. */
function scaleOf(data: Float64Array): number {
  let scale = 1e-6;
  for (const value of data) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  return scale;
}

function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const [x, y] = [new Uint32Array(a.buffer), new Uint32Array(b.buffer)];
  return x.length === y.length && x.every((word, i) => word === y[i]);
}

function directions(names: readonly string[], inputs: NdInputs, seed: number): Nd[] {
  return names.map((name, i) => randomLike((inputs[name] as Nd).shape, seed * 100 + i));
}

function wanted(test: OpCase): readonly string[] {
  return (
    test.gradients ?? Object.keys(test.inputs).filter((name) => isFloat(test.inputs[name]?.dtype ?? 'i32'))
  );
}

function mapValues<V, R>(
  record: Readonly<Record<string, V>>,
  f: (value: V, i: number, name: string) => R,
): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value], i) => [name, f(value, i, name)]));
}
