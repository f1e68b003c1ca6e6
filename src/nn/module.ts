import { need } from '../errors.ts';
import type { Scalar } from '../tensor/scalar.ts';
import { Tensor } from '../tensor/tensor.ts';
import { type TorchEntry, torchTensor, underPath } from './torch-state.ts';

/** How a network runs: explicit at every call, so that no evaluation mode can be forgotten. */
export interface Mode {
  /** Batch statistics, running averages updated, dropout on; otherwise running averages and no dropout. */
  readonly training: boolean;
  /** Draws of dropout differ between values of `seed`; a scalar where a captured step is to draw anew each time. */
  readonly seed: number | Scalar;
}

/** The mode for predictions and attacks. */
export const EVALUATION: Mode = { training: false, seed: 0 };

/** Named tensors, in the order in which a module declares them. */
export type NamedTensors = Map<string, Tensor>;

/** Throws `ShapeError` for what is no module, as plain JavaScript may pass. */
export function checkModule(op: string, model: Module): void {
  need(typeof model?.torchState === 'function', op, 'a model, a Module', model);
}

/**
 * Something with weights. Fields that hold tensors are parameters (or buffers, when `bufferNames` lists them), fields
 * that hold modules are children, and arrays of either, nested or not, are numbered; names are paths such as
 * `stages.1.conv.weight`.
 */
export abstract class Module {
  /** Fields that are not trained, such as running averages. */
  protected bufferNames(): readonly string[] {
    return [];
  }

  /** What an optimiser updates. */
  namedParameters(): NamedTensors {
    return this.#collect((module, name) => !module.bufferNames().includes(name));
  }

  /** What is saved but not trained. */
  namedBuffers(): NamedTensors {
    return this.#collect((module, name) => module.bufferNames().includes(name));
  }

  /** Parameters and buffers: everything a checkpoint holds. */
  namedState(): NamedTensors {
    return new Map([...this.namedParameters(), ...this.namedBuffers()]);
  }

  /** The tensors of `namedParameters`. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** Number of trained scalars. */
  parameterCount(): number {
    return this.parameters().reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The PyTorch state_dict of this module, in PyTorch's order: own tensors, buffers last, then children and lists of tensors
   * (`nn.ParameterList`) in the order of their fields. A layer whose names or layouts differ from PyTorch's overrides this;
   * `loadTorch` and `saveTorch` know no layer.
   */
  torchState(): TorchEntry[] {
    const buffers = this.bufferNames();
    const isBuffer = (name: string) => Number(buffers.includes(name));
    const fields = Object.entries(this);
    const own = fields.flatMap(([name, value]) =>
      value instanceof Tensor ? [torchTensor(name, value)] : [],
    );
    const others = fields
      .filter(([, value]) => !(value instanceof Tensor))
      .flatMap(([name, value]) => partsOf(value).map(([suffix, part]) => [`${name}${suffix}`, part] as const))
      .flatMap(([path, part]) =>
        part instanceof Tensor ? [torchTensor(path, part)] : underPath(path, part.torchState()),
      );
    return [...own.sort((a, b) => isBuffer(a.name) - isBuffer(b.name)), ...others];
  }

  /** Frees parameters and buffers. */
  dispose(): void {
    for (const tensor of this.namedState().values()) tensor.dispose();
  }

  #collect(wanted: (module: Module, name: string) => boolean): NamedTensors {
    const found: NamedTensors = new Map();
    for (const [name, value] of Object.entries(this)) {
      for (const [suffix, part] of partsOf(value)) {
        if (part instanceof Tensor) {
          if (wanted(this, name)) found.set(`${name}${suffix}`, part);
          continue;
        }
        for (const [path, tensor] of part.#collect(wanted)) found.set(`${name}${suffix}.${path}`, tensor);
      }
    }
    return found;
  }
}

/** A module that maps one tensor to one. */
export abstract class Layer extends Module {
  abstract forward(x: Tensor, mode: Mode): Tensor;
}

/** Tensors and modules of a field, with the numbers of the arrays they lie in. */
function partsOf(value: unknown): [string, Module | Tensor][] {
  if (value instanceof Module || value instanceof Tensor) return [['', value]];
  if (!Array.isArray(value)) return [];
  return value.flatMap((item, i) =>
    partsOf(item).map(([path, part]): [string, Module | Tensor] => [`.${i}${path}`, part]),
  );
}
