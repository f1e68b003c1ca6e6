import type { InstalledGpu } from './dawn.ts';
import { channelsFirst, permute, permuteShape } from './inputs.ts';
import { OnnxGraph, RESULT, type Value } from './onnx.ts';
import { loadOrt, type Ort, type OrtTensor } from './ort-api.ts';
import { ortOps } from './ort-ops.ts';
import {
  type HostInputs,
  LacksError,
  type Library,
  type Named,
  type Prepared,
  type Workload,
} from './workload.ts';

/** ONNX Runtime Web: every workload is a model, weights are part of it, other inputs are GPU buffers. */
export async function openOrt(gpu: InstalledGpu): Promise<Library> {
  const ort = await loadOrt();
  await openDevice(ort);
  return {
    prepare: (workload, host) => prepare(ort, gpu, workload, host),
    settle: () => gpu.device().queue.onSubmittedWorkDone(),
  };
}

const SESSION = { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' } as const;

/** The device is there once a session is. */
async function openDevice(ort: Ort): Promise<void> {
  const graph = new OnnxGraph();
  const x = graph.input('x', [4], false);
  await ort.InferenceSession.create(graph.encode({ y: graph.node('Relu', [x], [4]) }), SESSION);
}

async function prepare(ort: Ort, gpu: InstalledGpu, workload: Workload, host: HostInputs): Promise<Prepared> {
  const { body, inputs: specs } = workload;
  if (body.kind !== 'forward') throw new LacksError('gradients');
  const graph = new OnnxGraph();
  const values = Object.entries(host).map(([name, data]) => [name, inputOf(graph, name, specs[name]!, data)]);
  // On lavapipe its fused attention is off by some percent.
  const ops = ortOps(graph, { fusedAttention: gpu.kind !== 'lavapipe' });
  const model = graph.encode(body.apply(ops, Object.fromEntries(values) as Named<Value>));
  const session = await ort.InferenceSession.create(model, SESSION);
  const fed = Object.entries(host).filter(([name]) => !specs[name]!.constant);
  const buffers = fed.map(([, data]) => upload(gpu.device(), data));
  const feeds = Object.fromEntries(
    fed.map(([name, data], i) => [name, tensorOf(ort, buffers[i]!, data, specs[name]!.shape)]),
  );
  return {
    run: async () => disposeAll(await session.run(feeds)),
    results: async () => read(await session.run(feeds)),
    dispose() {
      for (const buffer of buffers) buffer.destroy();
      void session.release();
    },
  };
}

function inputOf(
  graph: OnnxGraph,
  name: string,
  spec: Workload['inputs'][string],
  data: HostInputs[string],
): Value {
  if (!spec.constant) return graph.input(name, spec.shape, data instanceof Int32Array);
  const order = channelsFirst(spec.shape.length, spec.role);
  return graph.constant(permute(data, spec.shape, order), permuteShape(spec.shape, order));
}

function upload(device: GPUDevice, data: HostInputs[string]): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

function tensorOf(ort: Ort, buffer: GPUBuffer, data: HostInputs[string], dims: readonly number[]): OrtTensor {
  const dataType = data instanceof Int32Array ? 'int32' : 'float32';
  return ort.Tensor.fromGpuBuffer(buffer, { dataType, dims });
}

function disposeAll(results: Readonly<Record<string, OrtTensor>>): void {
  for (const tensor of Object.values(results)) tensor.dispose();
}

async function read(results: Readonly<Record<string, OrtTensor>>): Promise<Named<Float32Array>> {
  const entries = Object.entries(results).map(async ([name, tensor]) => [
    name.slice(RESULT.length),
    await tensor.getData(),
  ]);
  const found = Object.fromEntries(await Promise.all(entries));
  disposeAll(results);
  return found;
}
