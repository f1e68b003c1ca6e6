import type { InstalledGpu } from './dawn.ts';
import { loadTfjs, type TfTensor as T, type Tf } from './tfjs-api.ts';
import { tfjsOps } from './tfjs-ops.ts';
import type { Body, Budget, HostInputs, Library, Named, Ops, Prepared, Workload } from './workload.ts';

/** TensorFlow.js: eager, each run in a `tidy`. */
export async function openTfjs(gpu: InstalledGpu): Promise<Library> {
  const tf = await loadTfjs();
  const ops = tfjsOps(tf);
  const settle = () => {
    const backend = tf.backend();
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    return gpu.device().queue.onSubmittedWorkDone();
  };
  return { settle, prepare: async (workload, host) => prepare(tf, ops, workload, host) };
}

function prepare(tf: Tf, ops: Ops<T>, { inputs: specs, body }: Workload, host: HostInputs): Prepared {
  const upload = ([name, data]: [string, HostInputs[string]]) => {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    return [name, tf.tensor(data, specs[name]!.shape, dtype)];
  };
  const inputs: Named<T> = Object.fromEntries(Object.entries(host).map(upload));
  const compute = () => tf.tidy(() => evaluate(tf, ops, body, inputs));
  return {
    run: () => tf.dispose(compute()),
    results: () => read(tf, compute()),
    dispose: () => tf.dispose(inputs),
  };
}

async function read(tf: Tf, results: Named<T>): Promise<Named<Float32Array>> {
  const entries = Object.entries(results).map(async ([name, tensor]) => [name, await tensor.data()]);
  const found = Object.fromEntries(await Promise.all(entries));
  tf.dispose(results);
  return found;
}

function evaluate(tf: Tf, ops: Ops<T>, body: Body, inputs: Named<T>): Named<T> {
  if (body.kind === 'forward') return body.apply(ops, inputs);
  if (body.kind === 'pgd') return attack(tf, ops, body, inputs);
  const { value, grads } = differentiate(tf, ops, body, inputs);
  if (body.kind === 'gradient') return named(body.wrt, (_, i) => grads[i]!);
  const rate = tf.scalar(body.rate);
  return { loss: value, ...named(body.wrt, (name, i) => tf.sub(inputs[name]!, tf.mul(grads[i]!, rate))) };
}

function named(names: readonly string[], make: (name: string, i: number) => T): Named<T> {
  return Object.fromEntries(names.map((name, i) => [name, make(name, i)]));
}

type Differentiable = Pick<Extract<Body, { kind: 'gradient' }>, 'loss' | 'wrt'>;

function differentiate(tf: Tf, ops: Ops<T>, { loss, wrt }: Differentiable, inputs: Named<T>) {
  const lossOf = (...args: T[]) => loss(ops, { ...inputs, ...named(wrt, (_, i) => args[i]!) });
  return tf.valueAndGrads(lossOf)(wrt.map((name) => inputs[name]!));
}

function attack(tf: Tf, ops: Ops<T>, body: Extract<Body, { kind: 'pgd' }>, inputs: Named<T>): Named<T> {
  const original = inputs.x!;
  let x = original;
  for (let step = 0; step < body.steps; step++) {
    const before = x;
    x = tf.tidy(() => {
      const { grads } = differentiate(tf, ops, { loss: body.loss, wrt: ['x'] }, { ...inputs, x: before });
      return ascend(tf, before, grads[0]!, original, body.budget);
    });
  }
  return { loss: body.loss(ops, { ...inputs, x }) };
}

function ascend(tf: Tf, x: T, gradient: T, original: T, { epsilon, stepSize }: Budget): T {
  const moved = tf.add(x, tf.mul(tf.sign(gradient), tf.scalar(stepSize)));
  const [low, high] = [tf.sub(original, tf.scalar(epsilon)), tf.add(original, tf.scalar(epsilon))];
  return tf.clipByValue(tf.minimum(tf.maximum(moved, low), high), 0, 1);
}
