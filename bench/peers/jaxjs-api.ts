/** The part of jax-js that the workloads use. A call consumes the arrays it is given: `ref` keeps one for later. */
export interface JaxArray {
  readonly shape: number[];
  readonly ndim: number;
  readonly ref: JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  div(other: JaxArray | number): JaxArray;
  sum(axes?: number | number[]): JaxArray;
  mean(axes?: number | number[]): JaxArray;
  max(): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  /** Compiles and submits what the array depends on, and consumes the array. */
  gpuBuffer(): Promise<GPUBuffer>;
  dispose(): void;
}

type A = JaxArray;
type Unary = (x: A) => A;
export type Tree = Readonly<Record<string, A>>;

export interface Jax {
  init(device: 'webgpu'): Promise<string[]>;
  defaultDevice(device: 'webgpu'): void;
  jit<Args extends readonly Tree[], R>(fn: (...args: Args) => R): (...args: Args) => R;
  /** By the first argument. */
  valueAndGrad(fn: (wrt: Tree) => A): (wrt: Tree) => [A, Tree];
  numpy: {
    array(data: Float32Array | Int32Array): A;
    matmul(a: A, b: A): A;
    einsum(subscripts: string, ...operands: A[]): A;
    pad(x: A, width: readonly (readonly [number, number])[]): A;
    minimum(a: A, b: A): A;
    maximum(a: A, b: A): A;
    clip(x: A, min: number, max: number): A;
    sign: Unary;
    sqrt: Unary;
    square: Unary;
  };
  nn: {
    relu: Unary;
    softmax: Unary;
    logSoftmax: Unary;
    oneHot(labels: A, classes: number): A;
    standardize(x: A, axes: number | number[], options: { epsilon: number }): A;
    dotProductAttention(q: A, k: A, v: A): A;
  };
  lax: {
    convGeneralDilated(
      x: A,
      w: A,
      strides: readonly number[],
      padding: readonly (readonly [number, number])[],
      options: { featureGroupCount: number },
    ): A;
    reduceWindow(x: A, reduce: Unary, size: readonly number[], stride: readonly number[]): A;
  };
}

/** jax-js maps and filters iterators, which Node 20 cannot. */
function addIteratorHelpers(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([].values())) as object;
  if ('map' in prototype) return;
  const map = function* (this: Iterable<unknown>, fn: (item: unknown, index: number) => unknown) {
    let index = 0;
    for (const item of this) yield fn(item, index++);
  };
  const filter = function* (this: Iterable<unknown>, keep: (item: unknown) => boolean) {
    for (const item of this) if (keep(item)) yield item;
  };
  for (const [name, value] of Object.entries({ map, filter })) {
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  }
}

/** jax-js on its WebGPU backend. `navigator.gpu` must be there before. */
export async function loadJaxjs(): Promise<Jax> {
  addIteratorHelpers();
  const name = '@jax-js/jax';
  const jax = (await import(name)) as unknown as Jax;
  const devices = await jax.init('webgpu');
  if (!devices.includes('webgpu')) throw new Error('jax-js: the WebGPU backend does not start');
  jax.defaultDevice('webgpu');
  return jax;
}
