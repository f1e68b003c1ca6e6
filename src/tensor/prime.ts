import type { Pipeline } from './pipelines.ts';

const UNIFORM = 0x40;
const STORAGE = 0x80;
const INDIRECT = 0x100;
const BYTES = 256;

/**
 * Submits a launch of no workgroups for each pipeline, because some drivers (lavapipe) compile when it is first used. The
 * count is in a buffer: Dawn leaves out launches that are known to be empty, or warns of them.
 */
export function prime(device: GPUDevice, pipelines: readonly Pipeline[]): void {
  const made: GPUBuffer[] = [];
  const make = (usage: number) => {
    const buffer = device.createBuffer({ size: BYTES, usage, label: 'warm' });
    made.push(buffer);
    return buffer;
  };
  const most = Math.max(...pipelines.map(({ bindings }) => bindings.length));
  const [uniform, count] = [make(UNIFORM), make(INDIRECT)];
  const storage = Array.from({ length: most }, () => make(STORAGE)); // none may be bound twice
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const pipeline of pipelines) {
    pass.setPipeline(pipeline.gpu);
    pass.setBindGroup(0, groupOf(device, pipeline, uniform, storage), [0]);
    pass.dispatchWorkgroupsIndirect(count, 0);
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
  for (const buffer of made) buffer.destroy();
}

function groupOf(
  device: GPUDevice,
  { layout, bindings, uniform }: Pipeline,
  params: GPUBuffer,
  storage: readonly GPUBuffer[],
): GPUBindGroup {
  const entries = bindings.map((binding, i) => ({ binding, resource: { buffer: storage[i] as GPUBuffer } }));
  return device.createBindGroup({
    layout,
    entries: [{ binding: uniform, resource: { buffer: params } }, ...entries],
  });
}
