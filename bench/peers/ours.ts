import * as kw from '../../src/index.ts';
import type { OpenedGpu } from '../../src/node/gpu.ts';
import { paddingOf } from './inputs.ts';
import {
  ADAMW,
  type Body,
  EPSILON,
  type HostInputs,
  type Library,
  type Named,
  type Ops,
  type Workload,
} from './workload.ts';

type T = kw.Tensor;

const CONVOLUTIONS = [kw.conv1d, kw.conv2d, kw.conv3d];
const NORM = { epsilon: EPSILON };

const ops: Ops<T> = {
  add: kw.add,
  mul: kw.mul,
  relu: (x) => kw.relu(x),
  sum: (x) => kw.sum(x),
  matmul: (a, b) => kw.matmul(a, b),
  linear: (x, w, bias) => kw.matmul(x, w, { bias }),
  conv(x, w, geometry) {
    const padding = w.shape.slice(0, -2).map((size) => paddingOf(geometry, size));
    return CONVOLUTIONS[padding.length - 1]!(x, w, { ...geometry, padding });
  },
  softmax: (x) => kw.softmax(x),
  layerNorm: (x, gamma, beta) => kw.layerNorm(x, gamma, beta, NORM),
  batchNorm: (x, { mean, variance, gamma, beta }) =>
    kw.batchNormInference(x, mean, variance, gamma, beta, NORM),
  batchNormTraining: (x, gamma, beta) => kw.batchNorm(x, gamma, beta, NORM).y,
  attention: (q, k, v) => kw.attention(q, k, v),
  graphConv: (x, w, adjacency) => kw.graphConv(x, w, adjacency),
  maxPool: (x) => kw.maxPool2d(x, { size: 3, stride: 2, padding: 1 }),
  globalAvgPool: kw.globalAvgPool,
  crossEntropy: (logits, labels) => kw.crossEntropy(logits, labels),
  adamw({ param, grad, mean, square }) {
    kw.adamwUpdate(param, grad, mean, square, ADAMW);
    return { param, mean, square };
  },
};

/** This library on an adapter: a run is a captured step, as a peer's is a compiled function; updates are in place. */
export async function openOurs({ adapter }: OpenedGpu): Promise<Library> {
  const device = await kw.openDevice({ adapter });
  return {
    prepare: async (workload, host) => prepare(device, workload, host),
    settle: () => device.idle(),
  };
}

function prepare(device: kw.Device, { inputs: specs, body }: Workload, host: HostInputs) {
  const upload = ([name, data]: [string, HostInputs[string]]) => [
    name,
    device.tensor(data, specs[name]!.shape),
  ];
  const inputs: Named<T> = Object.fromEntries(Object.entries(host).map(upload));
  const { compute, dispose } = body.kind === 'pgd' ? attack(body, inputs) : step(device, body, inputs);
  return {
    run: () => void device.scope(() => void compute()),
    results: () => device.scope(() => read(compute())),
    dispose() {
      dispose();
      for (const tensor of Object.values(inputs)) tensor.dispose();
    },
  };
}

/** What computes a workload's results, and how what it keeps is freed. */
interface Computation {
  readonly compute: () => Named<T>;
  readonly dispose: () => void;
}

function step(device: kw.Device, body: Exclude<Body, { kind: 'pgd' }>, inputs: Named<T>): Computation {
  // A captured step copies what it is passed: the inputs of a workload never change, so it uses them as they are.
  const nothing = device.tensor([0]);
  const captured = kw.capture((_: T) => evaluate(body, inputs));
  const dispose = () => {
    captured.dispose();
    nothing.dispose();
  };
  return { compute: () => captured(nothing), dispose };
}

async function read(results: Named<T>): Promise<Named<Float32Array>> {
  const entries = Object.entries(results).map(async ([name, tensor]) => [name, await tensor.read()]);
  return Object.fromEntries(await Promise.all(entries));
}

function evaluate(body: Exclude<Body, { kind: 'pgd' }>, inputs: Named<T>): Named<T> {
  if (body.kind === 'forward') return body.apply(ops, inputs);
  const wrt = body.wrt.map((name) => inputs[name]!);
  const { value, grads } = kw.valueAndGrad(() => body.loss(ops, inputs), wrt);
  if (body.kind === 'gradient') return named(body.wrt, grads);
  for (const [i, param] of wrt.entries())
    kw.sgdUpdate(param, grads[i]!, undefined, { learningRate: body.rate });
  return { loss: value, ...named(body.wrt, wrt) };
}

function attack(
  { loss, steps, budget }: Extract<Body, { kind: 'pgd' }>,
  { x: original, ...rest }: Named<T>,
): Computation {
  const pgd = new kw.PgdAttack(([x]) => loss(ops, { ...rest, x: x! }), [{ ...budget, range: [0, 1] }]);
  const final = kw.capture((x: T) => ({ loss: loss(ops, { ...rest, x }) }));
  const compute = () => final(pgd.run([original!], [], { steps, randomStart: false })[0]!);
  const dispose = () => {
    pgd.dispose();
    final.dispose();
  };
  return { compute, dispose };
}

function named(names: readonly string[], tensors: readonly T[]): Named<T> {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
}
