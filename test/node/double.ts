const SHADER = `
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&values)) { values[id.x] *= 2.0; }
}`;
const MAP_READ = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const STORAGE = 0x80;

/** Doubles `values` with a compute shader in WebGPU alone, on a device of its own. */
export async function doubleOn(adapter: GPUAdapter, values: number[]): Promise<number[]> {
  const device = await adapter.requestDevice();
  const size = values.length * 4;
  const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  device.queue.writeBuffer(buffer, 0, new Float32Array(values));
  const result = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  encodeDoubling(device, encoder, buffer, values.length);
  encoder.copyBufferToBuffer(buffer, 0, result, 0, size);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(MAP_READ);
  const doubled = [...new Float32Array(result.getMappedRange())];
  device.destroy();
  return doubled;
}

function encodeDoubling(device: GPUDevice, encoder: GPUCommandEncoder, buffer: GPUBuffer, length: number) {
  const module = device.createShaderModule({ code: SHADER });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
  const layout = pipeline.getBindGroupLayout(0);
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] }));
  pass.dispatchWorkgroups(Math.ceil(length / 4));
  pass.end();
}
