import { grad, valueAndGrad } from '../../src/autograd/grad.ts';
import { add, mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import type { Device } from '../../src/tensor/device.ts';
import { POISON } from '../../src/tensor/pool.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { materialize, type OpCase } from './case.ts';
import { inner, type Nd, nd, random } from './nd.ts';

type NdInputs = Readonly<Record<string, Nd>>;
const PROBES = 24;

/** Everything that is wrong with an op at one case, on one device; empty when all is well. */
export async function checkCase(device: Device, test: OpCase): Promise<string[]> {
  const inputs = inputsOf(test);
  device.variants.offered.clear();
  const failures = await checkOnce(device, test, inputs);
  const offered = [...device.variants.offered].map(([family, names]) => [family, [...names]] as const);
  for (const [family, names] of offered) {
    if (names.length < 2) continue;
    for (const name of names) {
      device.variants.forced.set(family, name);
      const found = await checkOnce(device, test, inputs);
      failures.push(...found.map((failure) => `variant ${family}=${name}: ${failure}`));
    }
    device.variants.forced.delete(family);
  }
  return failures;
}

async function checkOnce(device: Device, test: OpCase, inputs: NdInputs): Promise<string[]> {
  return device.scope(async () => {
    const failures = await checkForward(device, test, inputs);
    if (wanted(test).length > 0) {
      failures.push(...(await checkGradients(device, test, inputs)));
      if (test.secondOrder) failures.push(...(await checkSecondOrder(device, test, inputs)));
    }
    for (const name of test.linear ?? []) failures.push(...(await checkAdjoint(device, test, inputs, name)));
    return failures;
  });
}

export function inputsOf(test: OpCase): NdInputs {
  return mapValues(test.inputs, (input, i) => materialize(input, 1000 + i));
}

export function upload(device: Device, test: OpCase, inputs: NdInputs): Record<string, Tensor> {
  const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array };
  return mapValues(inputs, ({ shape, data }, _, name) =>
    device.tensor(arrays[test.inputs[name]?.dtype ?? 'f32'].from(data), shape),
  );
}

async function checkForward(device: Device, test: OpCase, inputs: NdInputs): Promise<string[]> {
  const tensors = upload(device, test, inputs);
  const outputs = listOf(test.op(tensors));
  const again = listOf(test.op(tensors));
  const expected = listOf(test.reference(inputs));
  const failures: string[] = [];
  const got: Nd[] = [];
  for (const [i, output] of outputs.entries()) {
    const data = await output.read();
    got.push(nd(output.shape, data));
    failures.push(...compare(`output ${i}`, got[i] as Nd, expected[i] as Nd, test.tolerance ?? 1e-5));
    if (!sameBits(data, await (again[i] as Tensor).read()))
      failures.push(`output ${i}: other bits the second time`);
    failures.push(...(await checkGuard(`output ${i}`, output)));
  }
  if (outputs.length !== expected.length)
    failures.push(`${outputs.length} outputs, expected ${expected.length}`);
  const wrong = test.property?.(got, inputs);
  return wrong ? [...failures, `property: ${wrong}`] : failures;
}

/** Memory behind the output must still hold the poison it was filled with (vec4 stores may use up to 16 bytes). */
async function checkGuard(what: string, output: Tensor): Promise<string[]> {
  const { buffer } = output.storage('guard');
  const words = new Uint32Array(await output.device.queue.read(buffer, buffer.bytes));
  const start = Math.ceil(output.size / 4) * 4;
  const hit = words.subarray(start).findIndex((word) => word !== POISON);
  return hit < 0 ? [] : [`${what}: wrote ${start + hit - output.size} elements past its end`];
}

/** loss = Σ cotangent · output, differentiated on the device and by central differences of the reference. */
async function checkGradients(device: Device, test: OpCase, inputs: NdInputs): Promise<string[]> {
  const names = wanted(test);
  const tensors = upload(device, test, inputs);
  const cotangents = cotangentsOf(test, inputs);
  const { grads } = valueAndGrad(
    () => lossOf(device, test, tensors, cotangents),
    names.map((n) => tensors[n] as Tensor),
  );
  const failures: string[] = [];
  for (const [i, name] of names.entries()) {
    const got = await (grads[i] as Tensor).read();
    const numeric = probe(inputs[name] as Nd, (x) =>
      referenceLoss(test, { ...inputs, [name]: x }, cotangents),
    );
    failures.push(...compareProbes(`gradient of ${name}`, got, numeric, test.gradientTolerance ?? 1e-4));
  }
  return failures;
}

/** uᵀHv for random u and v, with H the Hessian over all wanted inputs: two `grad`s against second differences. */
async function checkSecondOrder(device: Device, test: OpCase, inputs: NdInputs): Promise<string[]> {
  const names = wanted(test);
  const tensors = upload(device, test, inputs);
  const cotangents = cotangentsOf(test, inputs);
  const wrt = names.map((name) => tensors[name] as Tensor);
  const [u, v] = [directions(names, inputs, 31), directions(names, inputs, 32)];
  const vTensors = v.map((direction) => device.tensor(Float32Array.from(direction.data), direction.shape));
  const hessianTimesV = grad(() => {
    const first = grad(() => lossOf(device, test, tensors, cotangents), wrt);
    return first.map((g, i) => sum(mul(g, vTensors[i] as Tensor))).reduce((a, b) => add(a, b));
  }, wrt);
  let got = 0;
  for (const [i, direction] of u.entries())
    got += inner(await (hessianTimesV[i] as Tensor).read(), direction.data);
  const moved = (a: number, b: number) => referenceLoss(test, move(names, inputs, u, v, a, b), cotangents);
  const h = 1e-3;
  const expected = (moved(h, h) - moved(h, -h) - moved(-h, h) + moved(-h, -h)) / (4 * h * h);
  const scale = Math.max(Math.abs(expected), 1);
  const error = Math.abs(got - expected) / scale;
  return error < 2e-3 ? [] : [`second order: got ${got}, expected ${expected}`];
}

async function checkAdjoint(device: Device, test: OpCase, inputs: NdInputs, name: string): Promise<string[]> {
  const tensors = upload(device, test, inputs);
  const x = tensors[name] as Tensor;
  const y = cotangentsOf(test, inputs);
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
    if (output.dtype !== 'f32') return [];
    const { shape, data } = cotangents[i] as Nd;
    return [sum(mul(output, device.tensor(Float32Array.from(data), shape)))];
  });
  return terms.reduce((a, b) => add(a, b));
}

function referenceLoss(test: OpCase, inputs: NdInputs, cotangents: readonly Nd[]): number {
  return listOf(test.reference(inputs)).reduce(
    (sum, { data }, i) => sum + inner(data, (cotangents[i] as Nd).data),
    0,
  );
}

/** Zero for integer outputs, random for the others. */
function cotangentsOf(test: OpCase, inputs: NdInputs): Nd[] {
  return listOf(test.reference(inputs)).map(({ shape, data }, i) => {
    const next = random(500 + i);
    return nd(
      shape,
      Float64Array.from(data, () => Math.fround(next() * 2 - 1)),
    );
  });
}

/** Central differences at up to PROBES positions. */
function probe(x: Nd, loss: (x: Nd) => number): Map<number, number> {
  const next = random(x.data.length + 3);
  const all = x.data.length <= PROBES;
  const count = Math.min(x.data.length, PROBES);
  const found = new Map<number, number>();
  for (let k = 0; k < count; k++) {
    const i = all ? k : Math.floor(next() * x.data.length);
    const h = 1e-5 * Math.max(1, Math.abs(x.data[i] ?? 0));
    found.set(i, (loss(nudged(x, i, h)) - loss(nudged(x, i, -h))) / (2 * h));
  }
  return found;
}

function nudged(x: Nd, i: number, h: number): Nd {
  const data = x.data.slice();
  data[i] = (data[i] ?? 0) + h;
  return { shape: x.shape, data };
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
  const finite = expected.data.filter(Number.isFinite);
  const scale = finite.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  for (const [i, value] of expected.data.entries()) {
    const other = got.data[i] ?? Number.NaN;
    const same = Object.is(other, value) || other === value || Math.abs(other - value) <= tolerance * scale;
    if (!same) return [`${what}[${i}]: got ${other}, expected ${value}`];
  }
  return [];
}

function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const [x, y] = [new Uint32Array(a.buffer), new Uint32Array(b.buffer)];
  return x.length === y.length && x.every((word, i) => word === y[i]);
}

function directions(names: readonly string[], inputs: NdInputs, seed: number): Nd[] {
  return names.map((name, i) => {
    const next = random(seed * 100 + i);
    const { shape, data } = inputs[name] as Nd;
    return nd(
      shape,
      Float64Array.from(data, () => Math.fround(next() * 2 - 1)),
    );
  });
}

function move(names: readonly string[], inputs: NdInputs, u: Nd[], v: Nd[], a: number, b: number): NdInputs {
  const changed = names.map((name, i) => {
    const { shape, data } = inputs[name] as Nd;
    return [
      name,
      nd(
        shape,
        data.map((value, k) => value + a * (u[i]?.data[k] ?? 0) + b * (v[i]?.data[k] ?? 0)),
      ),
    ] as const;
  });
  return { ...inputs, ...Object.fromEntries(changed) };
}

function wanted(test: OpCase): readonly string[] {
  return test.gradients ?? Object.keys(test.inputs).filter((name) => test.inputs[name]?.dtype === 'f32');
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}

function mapValues<V, R>(
  record: Readonly<Record<string, V>>,
  f: (value: V, i: number, name: string) => R,
): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value], i) => [name, f(value, i, name)]));
}
