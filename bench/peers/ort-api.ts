/** The part of ONNX Runtime Web that the workloads use. */
export interface OrtTensor {
  getData(): Promise<Float32Array>;
  dispose(): void;
}

export interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

export interface Ort {
  readonly env: { readonly wasm: { wasmPaths: string; numThreads: number }; logLevel: string };
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: { executionProviders: readonly string[]; preferredOutputLocation: 'gpu-buffer' },
    ): Promise<OrtSession>;
  };
  readonly Tensor: {
    fromGpuBuffer(
      buffer: GPUBuffer,
      options: { dataType: 'float32' | 'int32'; dims: readonly number[] },
    ): OrtTensor;
  };
}

/** ONNX Runtime Web with its WebGPU backend. `navigator.gpu` must be there before. */
export async function loadOrt(): Promise<Ort> {
  const folder = new URL('node_modules/onnxruntime-web/dist/', import.meta.url).href;
  const ort = (await import(`${folder}ort.webgpu.min.mjs`)) as unknown as Ort;
  ort.env.wasm.wasmPaths = folder;
  // The work is on the GPU; its threads would be of no use.
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return ort;
}
