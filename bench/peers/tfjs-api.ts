import { createRequire } from 'node:module';

/** The part of TensorFlow.js that the workloads use. */
export interface TfTensor {
  readonly shape: number[];
  readonly rank: number;
  data(): Promise<Float32Array>;
  dispose(): void;
}

type T = TfTensor;
type Unary = (x: T) => T;
type Binary = (a: T, b: T) => T;
type Pad = number | 'same';
type Rounding = 'floor' | undefined;

/** What its WebGPU backend does itself after so many dispatches. */
interface TfBackend {
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

export interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): TfBackend;
  tensor(data: Float32Array | Int32Array, shape: readonly number[], dtype: 'float32' | 'int32'): T;
  scalar(value: number): T;
  tidy<R>(action: () => R): R;
  dispose(tensors: Readonly<Record<string, T>>): void;
  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  minimum: Binary;
  maximum: Binary;
  relu: Unary;
  sqrt: Unary;
  square: Unary;
  sign: Unary;
  softmax: Unary;
  clipByValue(x: T, min: number, max: number): T;
  sum(x: T, axes?: number[]): T;
  mean(x: T, axes?: number[], keepDims?: boolean): T;
  reshape(x: T, shape: readonly number[]): T;
  transpose(x: T, order: readonly number[]): T;
  oneHot(labels: T, classes: number): T;
  matMul(a: T, b: T, transposeA?: boolean, transposeB?: boolean): T;
  conv1d(x: T, w: T, stride: number, pad: Pad, format: 'NWC', dilation: 1, rounding?: Rounding): T;
  conv2d(x: T, w: T, stride: number, pad: Pad, format: 'NHWC', dilation: 1, rounding?: Rounding): T;
  conv3d(x: T, w: T, stride: number, pad: 'same'): T;
  depthwiseConv2d(x: T, w: T, stride: number, pad: Pad): T;
  maxPool(x: T, size: number, stride: number, pad: Pad, rounding: 'floor'): T;
  moments(x: T, axes: number[], keepDims?: boolean): { mean: T; variance: T };
  batchNorm(x: T, mean: T, variance: T, offset: T, scale: T, epsilon: number): T;
  losses: { softmaxCrossEntropy(onehot: T, logits: T): T };
  fused: { matMul(call: { a: T; b: T; bias: T }): T };
  valueAndGrads(fn: (...args: T[]) => T): (args: T[]) => { value: T; grads: T[] };
}

/** TensorFlow.js on its WebGPU backend. `navigator.gpu` must be there before. */
export async function loadTfjs(): Promise<Tf> {
  const require = createRequire(import.meta.url);
  const tf = require('@tensorflow/tfjs') as unknown as Tf;
  require('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js: the WebGPU backend does not start');
  await tf.ready();
  return tf;
}
