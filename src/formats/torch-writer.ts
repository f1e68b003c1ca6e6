import { check } from '../errors.ts';
import { PickleWriter } from './pickle-writer.ts';
import { checkedEntries, describe, elements, type StoredTensor } from './stored.ts';
import { denseStrides } from './strided.ts';
import { storageClass } from './torch-pickle.ts';
import { encodeZip, type ZipContent } from './zip-writer.ts';

const OP = 'encodeTorch';

/**
 * Writes named arrays as `torch.save` writes a state_dict (the zip format, version 3): an OrderedDict of dense tensors on the
 * CPU, in the order of `entries`. Equal entries give equal bytes, and `torch.load` reads them, with `weights_only` too.
 * Throws `ShapeError` for a name that comes twice, an array that does not have as many elements as its shape says, element
 * types without a storage class in PyTorch (unsigned ones but U8), and more than 4 GB.
 */
export function encodeTorch(entries: Iterable<readonly [string, StoredTensor]>): Uint8Array<ArrayBuffer> {
  const tensors = checkedEntries(OP, entries);
  const names = new Set(tensors.map(([name]) => name));
  check(names.size === tensors.length, OP, () => 'two arrays have the same name');
  const pickle = new PickleWriter();
  pickle.orderedDict().setItems(() => {
    for (const [key, [name, tensor]] of tensors.entries()) writeTensor(pickle, name, tensor, `${key}`);
  });
  const text = (value: string) => new TextEncoder().encode(value);
  const contents: ZipContent[] = [
    ['archive/data.pkl', pickle.finish()],
    ['archive/byteorder', text('little')],
    ...tensors.map(([, { data }], key): ZipContent => {
      return [`archive/data/${key}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
    }),
    ['archive/version', text('3\n')],
  ];
  return encodeZip(contents, OP);
}

/** `name: _rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`. */
function writeTensor(pickle: PickleWriter, name: string, tensor: StoredTensor, key: string): void {
  const { dtype, shape, data } = tensor;
  const type = storageClass(dtype);
  check(type !== undefined, OP, () => `"${name}" is ${describe(tensor)}, for which PyTorch has no storage`);
  check(data.length === elements(shape), OP, () => {
    return `"${name}" has ${data.length} elements in a ${data.constructor.name}; ${describe(tensor)} needs others`;
  });
  const counts = (values: readonly number[]) =>
    pickle.tuple(() => values.map((value) => pickle.count(value)));
  pickle.text(name).global('torch._utils', '_rebuild_tensor_v2');
  pickle.tuple(() => {
    pickle.tuple(() => {
      pickle.text('storage').global('torch', type).text(key).text('cpu').count(data.length);
    });
    pickle.persistent().count(0);
    counts(shape);
    counts(denseStrides(shape));
    pickle.false().orderedDict();
  });
  pickle.reduce();
}
