import { type Bytes, bytesField, concatBytes, floatField, intField, textField } from './protobuf.ts';

/** A tensor in a graph. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

type Data = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;
type Attribute = number | readonly number[];

/** An attribute that is a float although it is a whole number, such as an epsilon of 1. */
export interface FloatAttribute {
  readonly float: number;
}

/** What names of outputs begin with. */
export const RESULT = 'result.';

const IR_VERSION = 9;
const OPSET = 17;
// Numbers of onnx.proto: TensorProto.DataType, AttributeProto.AttributeType.
const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const ATTRIBUTE = { float: 1, int: 2, ints: 7 };

/** Builds an ONNX model, node by node. */
export class OnnxGraph {
  readonly #nodes: Bytes[] = [];
  readonly #initialisers: Bytes[] = [];
  readonly #inputs: Bytes[] = [];
  #count = 0;

  input(name: string, shape: readonly number[], isInt: boolean): Value {
    this.#inputs.push(bytesField(11, valueInfo({ name, shape }, isInt ? INT32 : FLOAT)));
    return { name, shape };
  }

  constant(data: Data, shape: readonly number[]): Value {
    const value = { name: this.#fresh(), shape };
    const type = data instanceof Float32Array ? FLOAT : data instanceof Int32Array ? INT32 : INT64;
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const dims = shape.map((size) => intField(1, size));
    const content = [...dims, intField(2, type), textField(8, value.name), bytesField(9, raw)];
    this.#initialisers.push(bytesField(5, ...content));
    return value;
  }

  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), []);
  }

  /** A node with one output of a known shape. */
  node(
    op: string,
    inputs: readonly Value[],
    shape: readonly number[],
    attributes: Readonly<Record<string, Attribute | FloatAttribute>> = {},
    domain = '',
  ): Value {
    const output = { name: this.#fresh(), shape };
    this.#nodes.push(
      bytesField(
        1,
        ...inputs.map(({ name }) => textField(1, name)),
        textField(2, output.name),
        textField(4, op),
        ...Object.entries(attributes).map(([name, value]) => bytesField(5, attribute(name, value))),
        textField(7, domain),
      ),
    );
    return output;
  }

  reshape(x: Value, shape: readonly number[]): Value {
    const sizes = this.constant(BigInt64Array.from(shape, BigInt), [shape.length]);
    return this.node('Reshape', [x, sizes], shape);
  }

  transpose(x: Value, order: readonly number[]): Value {
    const shape = order.map((axis) => x.shape[axis]!);
    return this.node('Transpose', [x], shape, { perm: order });
  }

  /** The model, with its outputs under the given names behind `RESULT`: an input may have the same name. */
  encode(outputs: Readonly<Record<string, Value>>): Bytes {
    const named = Object.entries(outputs).map(([name, value]) => {
      const copy = [textField(1, value.name), textField(2, RESULT + name), textField(4, 'Identity')];
      this.#nodes.push(bytesField(1, ...copy));
      return bytesField(12, valueInfo({ ...value, name: RESULT + name }, FLOAT));
    });
    const graph = [
      ...this.#nodes,
      textField(2, 'workload'),
      ...this.#initialisers,
      ...this.#inputs,
      ...named,
    ];
    return concatBytes([
      intField(1, IR_VERSION),
      bytesField(7, ...graph),
      opset('', OPSET),
      opset('com.microsoft', 1),
    ]);
  }

  #fresh(): string {
    return `v${this.#count++}`;
  }
}

function attribute(name: string, value: Attribute | FloatAttribute): Bytes {
  const head = textField(1, name);
  if (typeof value === 'number') return concatBytes([head, intField(3, value), intField(20, ATTRIBUTE.int)]);
  if ('float' in value) return concatBytes([head, floatField(2, value.float), intField(20, ATTRIBUTE.float)]);
  return concatBytes([head, ...value.map((item) => intField(8, item)), intField(20, ATTRIBUTE.ints)]);
}

function valueInfo({ name, shape }: Value, type: number): Bytes {
  const dims = shape.map((size) => bytesField(1, intField(1, size)));
  const tensor = bytesField(1, intField(1, type), bytesField(2, ...dims));
  return concatBytes([textField(1, name), bytesField(2, tensor)]);
}

function opset(domain: string, version: number): Bytes {
  return bytesField(8, textField(1, domain), intField(2, version));
}
