import type { InstalledGpu } from './dawn.ts';
import { channelsFirst, inverse, permute, permuteShape } from './inputs.ts';
import { type JaxArray as A, type Jax, loadJaxjs, type Tree } from './jaxjs-api.ts';
import { jaxjsOps } from './jaxjs-ops.ts';
import type { Body, Budget, HostInputs, Library, Named, Ops, Prepared, Workload } from './workload.ts';

/** jax-js: every workload is one jitted function (an attack one for each step), images with channels first. */
export async function openJaxjs(gpu: InstalledGpu): Promise<Library> {
  const jax = await loadJaxjs();
  const ops = jaxjsOps(jax);
  return {
    prepare: async (workload, host) => prepare(jax, ops, workload, host),
    settle: () => gpu.device().queue.onSubmittedWorkDone(),
  };
}

function prepare(jax: Jax, ops: Ops<A>, workload: Workload, host: HostInputs): Prepared {
  const { inputs: specs, body } = workload;
  const upload = ([name, data]: [string, HostInputs[string]]) => {
    const { shape, role } = specs[name]!;
    const order = channelsFirst(shape.length, role);
    return [name, jax.numpy.array(permute(data, shape, order)).reshape(permuteShape(shape, order))];
  };
  const inputs: Tree = Object.fromEntries(Object.entries(host).map(upload));
  const compute = compile(jax, ops, body);
  return {
    async run() {
      await Promise.all(Object.values(compute(inputs)).map((result) => result.gpuBuffer()));
    },
    results: () => read(compute(inputs), workload),
    dispose: () => Object.values(inputs).forEach((array) => void array.dispose()),
  };
}

async function read(results: Tree, { inputs, body }: Workload): Promise<Named<Float32Array>> {
  const entries = Object.entries(results).map(async ([name, result]) => {
    const { shape } = result;
    const role = body.kind === 'forward' ? body.role : (inputs[name]?.role ?? 'plain');
    return [name, permute(await result.data(), shape, inverse(channelsFirst(shape.length, role)))];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** All arrays again, so that a call may consume them. */
function refs(arrays: Tree): Tree {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.ref]));
}

function compile(jax: Jax, ops: Ops<A>, body: Body): (inputs: Tree) => Tree {
  if (body.kind === 'pgd') return compileAttack(jax, ops, body);
  const compiled = jax.jit((inputs: Tree) => evaluate(jax, ops, body, inputs));
  return (inputs) => compiled(refs(inputs));
}

function evaluate(jax: Jax, ops: Ops<A>, body: Exclude<Body, { kind: 'pgd' }>, inputs: Tree): Tree {
  if (body.kind === 'forward') return body.apply(ops, inputs);
  const wrt = Object.fromEntries(body.wrt.map((name) => [name, inputs[name]!]));
  const [loss, grads] = jax.valueAndGrad((moved) => body.loss(ops, { ...inputs, ...moved }))(refs(wrt));
  if (body.kind === 'gradient') return grads;
  const updated = body.wrt.map((name) => [name, wrt[name]!.ref.sub(grads[name]!.mul(body.rate))]);
  return { loss, ...Object.fromEntries(updated) };
}

function compileAttack(jax: Jax, ops: Ops<A>, { loss, steps, budget }: Extract<Body, { kind: 'pgd' }>) {
  const step = jax.jit(({ original, ...inputs }: Tree) => {
    const { x: before, ...rest } = inputs as { x: A } & Tree;
    const [, grads] = jax.valueAndGrad(({ x }) => loss(ops, { ...rest, x: x! }))({ x: before.ref });
    return { x: ascend(jax, before, grads.x!, original!, budget) };
  });
  const final = jax.jit((inputs: Tree) => ({ loss: loss(ops, inputs) }));
  return ({ x: original, ...rest }: Tree): Tree => {
    let x = original!.ref;
    for (let i = 0; i < steps; i++) x = step({ ...refs(rest), original: original!.ref, x }).x;
    return final({ ...refs(rest), x });
  };
}

function ascend({ numpy: np }: Jax, x: A, gradient: A, original: A, { epsilon, stepSize }: Budget): A {
  const moved = x.ref.add(np.sign(gradient).mul(stepSize));
  const inBall = np.minimum(np.maximum(moved, original.ref.sub(epsilon)), original.ref.add(epsilon));
  return np.clip(inBall, 0, 1);
}
