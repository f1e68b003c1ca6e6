import { grad } from '../src/autograd/grad.ts';
import { add } from '../src/kernels/elementwise.ts';
import { randomNormal, randomUniform } from '../src/kernels/random.ts';
import { sum } from '../src/kernels/reduce.ts';
import type { Device } from '../src/tensor/device.ts';
import { type Shape, sizeOf } from '../src/tensor/shape.ts';
import { Tensor } from '../src/tensor/tensor.ts';
import type { OpCase } from '../test/ops/case.ts';
import { inputsOf, upload } from '../test/ops/check-case.ts';

export type Tensors = Readonly<Record<string, Tensor>>;

/** One workload: an op, or several, at one size. */
export interface BenchCase {
  /** After its use: `resnet18.layer1.conv3x3`. */
  readonly name: string;
  /** Floating-point operations and bytes that one call must come to; undefined where nobody counted. */
  readonly flops?: number | undefined;
  readonly bytes?: number | undefined;
  /** Inputs that `--grad` differentiates by; none: it has no gradient to measure. */
  readonly wrt: readonly string[];
  /** For GPUs: a software adapter takes seconds a call, so that there it must be asked for by its whole name. */
  readonly heavy?: boolean | undefined;
  /** Flops of the value and its gradient together. */
  readonly gradFlops?: number | undefined;
  /** Uploads or makes the inputs; they are the caller's to free. */
  make(device: Device): Tensors;
  op(inputs: Tensors): unknown;
}

/** How an input is made: standard normal of a shape, whole numbers from 0 up to `below`, or uniform from 0 to 1. */
export type InputSpec =
  | Shape
  | { readonly shape: Shape; readonly below: number }
  | { readonly shape: Shape; readonly uniform: true };

export interface WorkloadSpec<N extends string> {
  readonly inputs: Readonly<Record<N, InputSpec>>;
  readonly op: (inputs: Readonly<Record<N, Tensor>>) => unknown;
  readonly flops?: number;
  /** Bytes written, counted to those of the inputs, which are each read once. */
  readonly writes: number;
  readonly wrt?: readonly NoInfer<N>[];
  readonly gradFlops?: number;
  readonly heavy?: boolean;
}

/** A workload from the shapes of its inputs. */
export function workload<N extends string>(name: string, spec: WorkloadSpec<N>): BenchCase {
  const inputs = Object.entries<InputSpec>(spec.inputs);
  const read = inputs.reduce((all, [, input]) => all + 4 * sizeOf(shapeOf(input)), 0);
  return {
    name,
    flops: spec.flops,
    bytes: read + spec.writes,
    wrt: spec.wrt ?? [],
    gradFlops: spec.gradFlops,
    heavy: spec.heavy,
    make: (device) => Object.fromEntries(inputs.map(([key, input], i) => [key, makeInput(device, input, i)])),
    op: spec.op as BenchCase['op'],
  };
}

function shapeOf(input: InputSpec): Shape {
  return 'shape' in input ? input.shape : input;
}

function makeInput(device: Device, input: InputSpec, stream: number): Tensor {
  if (!('shape' in input)) return randomNormal(device, input, { seed: 1, stream });
  if ('uniform' in input) return randomUniform(device, input.shape, { seed: 1, stream });
  const data = Int32Array.from({ length: sizeOf(input.shape) }, (_, i) => (i * 7919) % input.below);
  return device.tensor(data, input.shape);
}

/** A case of test/ops as a benchmark. */
export function fromOpCase(family: string, test: OpCase): BenchCase {
  const differentiable = Object.keys(test.inputs).filter((name) => test.inputs[name]?.dtype === 'f32');
  return {
    name: `${family}: ${test.name}`,
    flops: test.flops,
    bytes: test.bytes,
    wrt: test.gradients ?? differentiable,
    make: (device) => upload(device, test, inputsOf(test)),
    op: (inputs) => test.op(inputs),
  };
}

/** The gradient of the sum of everything a case computes, as a workload of its own. */
export function gradientOf(test: BenchCase): BenchCase {
  return {
    ...test,
    name: `${test.name} grad`,
    flops: test.gradFlops,
    bytes: undefined,
    wrt: [],
    op: (inputs) =>
      grad(
        () => sumOf(test.op(inputs)),
        test.wrt.map((name) => inputs[name] as Tensor),
      ),
  };
}

function sumOf(outputs: unknown): Tensor {
  const list = (Array.isArray(outputs) ? outputs : [outputs]).filter(
    (output): output is Tensor => output instanceof Tensor && output.dtype === 'f32',
  );
  return list.map((output) => sum(output)).reduce((a, b) => add(a, b));
}
