// What a PyTorch pickle may hold besides plain values: storages and tensors.
import { type PickleDict, setItem } from './pickle.ts';
import { PickleCallable } from './pickle-opcodes.ts';
import { isCounts, type StoredDtype } from './stored.ts';

type Fail = (problem: string) => never;

/** The element type that a storage class of PyTorch stands for. */
class StorageType {
  readonly dtype: StoredDtype;

  constructor(dtype: StoredDtype) {
    this.dtype = dtype;
  }
}

/** Elements in a file, which tensors are views of. */
export class TorchStorage {
  readonly dtype: StoredDtype;
  /** Its name in the file. */
  readonly key: string;
  /** Number of elements. */
  readonly size: number;

  constructor(dtype: StoredDtype, key: string, size: number) {
    this.dtype = dtype;
    this.key = key;
    this.size = size;
  }
}

/** A tensor as a pickle describes it: element [i, j, …] is element `offset + i·stride₀ + j·stride₁ + …` of its storage. */
export class TorchView {
  readonly storage: TorchStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: TorchStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** The classes that `torch.save` names, which fix the element type. */
const STORAGES = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
} as const satisfies Record<string, StoredDtype>;

/** The class that holds elements of a type; undefined where PyTorch has none. */
export function storageClass(dtype: StoredDtype): string | undefined {
  return Object.entries(STORAGES).find(([, one]) => one === dtype)?.[0];
}

/** PyTorch's own limit. */
const MOST_AXES = 64;

/** `_rebuild_tensor(storage, offset, size, stride)`; later versions have more arguments, none of them numbers. */
const rebuildTensor = new PickleCallable(([storage, offset, shape, strides], fail): TorchView => {
  if (!(storage instanceof TorchStorage)) return fail('a tensor without a storage');
  const fits = isCounts([offset]) && isCounts(shape) && isCounts(strides) && shape.length === strides.length;
  if (!fits || shape.length > MOST_AXES)
    return fail(`a tensor of storage "${storage.key}" has a wrong offset, size or stride`);
  return new TorchView(storage, offset as number, shape, strides);
});

/** `_rebuild_parameter(tensor, requires_grad, hooks)`: the tensor. */
const rebuildParameter = new PickleCallable(([tensor], fail): TorchView => {
  return tensor instanceof TorchView ? tensor : fail('a parameter without a tensor');
});

/** `OrderedDict()`, or of a list of pairs. */
const orderedDict = new PickleCallable(([pairs = []], fail): PickleDict => {
  const dict: PickleDict = new Map();
  if (!Array.isArray(pairs)) return fail('an OrderedDict of something else than pairs');
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return fail('an OrderedDict of something else than pairs');
    setItem(dict, pair[0], pair[1], fail);
  }
  return dict;
});

/** `torch.Size(sizes)`: the sizes. */
const sizeOf = new PickleCallable(([sizes = []], fail) =>
  isCounts(sizes) ? sizes : fail('a wrong torch.Size'),
);

const GLOBALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['collections.OrderedDict', orderedDict],
  ['torch.Size', sizeOf],
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_parameter', rebuildParameter],
  ...Object.entries(STORAGES).flatMap(([name, dtype]): [string, unknown][] => {
    const type = new StorageType(dtype);
    return [
      [`torch.${name}`, type],
      [`torch.cuda.${name}`, type],
    ];
  }),
]);

/** The globals of a PyTorch pickle. */
export function torchGlobal(name: string): unknown {
  return GLOBALS.get(name);
}

/** The persistent id of a storage: `('storage', class, key, location, elements)`, with an unused view in older files. */
export function torchStorage(id: unknown, fail: Fail): TorchStorage {
  const [kind, type, key, , size, view = null] = Array.isArray(id) ? id : [];
  const known =
    kind === 'storage' && type instanceof StorageType && typeof key === 'string' && isCounts([size]);
  if (!known || view !== null) return fail('a persistent id that is not that of a storage');
  return new TorchStorage(type.dtype, key, size);
}
