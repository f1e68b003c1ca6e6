import { KernelError } from '../errors.ts';
import {
  type EntryInfo,
  entryOf,
  labelOf,
  type ShaderFile,
  type Specialization,
} from '../tensor/pipelines.ts';
import { MAX_GROUPS } from '../tensor/queue.ts';
import type { Join, ParamScalar } from '../tensor/recording.ts';
import type { Scalar } from '../tensor/scalar.ts';
import type { Tensor } from '../tensor/tensor.ts';

type Entry<K extends ShaderFile, E extends keyof K['entries']> = K['entries'][E] & EntryInfo;

/** How a kernel is launched. */
export interface Launch<K extends ShaderFile> {
  /** Workgroups: a count, folded into x and y (shaders unfold it with `num_workgroups`), or all three dimensions. */
  readonly groups: number | readonly [number, number, number];
  /** Values for the shader's `override`s. */
  readonly constants?: { readonly [C in keyof K['constants']]?: number };
  /** Values for the shader's replaceable lines: `TILE_…` constants and aliases. */
  readonly lines?: { readonly [L in keyof K['lines']]?: number | string };
  /** Floating-point operations of this launch, for profiles. */
  readonly flops?: number;
  /** For captured steps: how this launch can do the work of one before it. */
  readonly join?: Join | undefined;
}

/**
 * Launches one entry of a shader. Tensors and params are typed from the shader itself, so a missing tensor or a
 * misspelt parameter does not compile. No workgroups: nothing is launched.
 */
export function run<K extends ShaderFile, E extends keyof K['entries'] & string>(
  shader: K,
  entry: E,
  tensors: { readonly [T in keyof Entry<K, E>['tensors']]: Tensor },
  params: { readonly [P in keyof Entry<K, E>['params']]: number | Scalar },
  launch: Launch<K>,
): void {
  if (isEmpty(launch.groups)) return;
  const label = labelOf({ shader, entry });
  const info = entryOf(shader, entry);
  const bound = tensorsOf(label, info, tensors);
  const device = (bound[0] as Tensor).device;
  const groups = groupsOf(label, launch.groups, device.queue.foldAt);
  const packed = packParams(label, info.params, params);
  const specialization = withHalves(label, shader, info, bound, launch as Specialization);
  const wanted = { shader, entry, specialization };
  const buffers = bound.map((tensor) => tensor.storage(label).buffer);
  const { join, flops } = launch;
  const dispatch = { label, wanted, buffers, ...packed, groups, tensors: bound, join, flops };
  if (device.warmUp) {
    device.warmUp.want(wanted);
    device.queue.note(dispatch);
    return;
  }
  device.queue.dispatch({ ...dispatch, pipeline: device.pipelines.get(wanted) });
}

/**
 * With f16 for each alias (`T`, `S`) of which a tensor is f16. A tensor may also stand in for one that is not read, so one
 * of its bindings must be of its type, not all. Throws `KernelError` for a shader that keeps only f32 there.
 */
function withHalves(
  label: string,
  shader: ShaderFile,
  info: EntryInfo,
  bound: readonly Tensor[],
  launch: Specialization,
): Specialization {
  if (bound.every(({ dtype }) => dtype !== 'f16')) return launch;
  const aliases = Object.keys(info.tensors).map((name) => shader.typed?.[name]);
  const halves = new Set(aliases.filter((alias, i) => alias && bound[i]?.dtype === 'f16'));
  const fits = (tensor: Tensor) =>
    bound.some((other, i) => other === tensor && halves.has(aliases[i]) === (tensor.dtype === 'f16'));
  const wrong = bound.find((tensor) => !fits(tensor));
  if (wrong) throw new KernelError(label, `cannot take ${wrong} here`);
  const lines = Object.fromEntries([...halves].map((alias) => [alias, 'f16']));
  return { ...launch, lines: { ...launch.lines, ...lines } };
}

function isEmpty(groups: number | readonly number[]): boolean {
  return typeof groups === 'number' ? groups === 0 : groups.includes(0);
}

/** Workgroups in three dimensions. Throws `KernelError` of `label` when one has too many. */
function groupsOf(
  label: string,
  asked: number | readonly [number, number, number],
  most: number,
): readonly [number, number, number] {
  const groups = typeof asked === 'number' ? foldGroups(asked, most) : asked;
  if (groups.some((count) => count > MAX_GROUPS))
    throw new KernelError(label, `${groups} workgroups are too many`);
  return groups;
}

/** The tensors in the order of the shader's bindings. */
function tensorsOf(label: string, info: EntryInfo, given: Readonly<Record<string, Tensor>>): Tensor[] {
  return Object.keys(info.tensors).map((name) => {
    const tensor = given[name];
    if (!tensor) throw new KernelError(label, `tensor '${name}' is missing`);
    return tensor;
  });
}

/** `count` workgroups as [x, y, 1] with x up to `most`; a little more than asked where it does not divide. */
export function foldGroups(count: number, most = MAX_GROUPS): [number, number, number] {
  if (count <= most) return [count, 1, 1];
  const y = Math.ceil(count / most);
  return [Math.ceil(count / y), y, 1];
}

const words = new ArrayBuffer(256);
const asFloat = new Float32Array(words);
const asInt = new Int32Array(words);
const asUint = new Uint32Array(words);

/** The params as 32-bit words in the order of the shader's struct, reused by the next call; and which follow scalars. */
function packParams(
  label: string,
  types: EntryInfo['params'],
  values: Readonly<Record<string, number | Scalar>>,
): { params: Uint32Array; scalars: ParamScalar[] | undefined } {
  let scalars: ParamScalar[] | undefined;
  let index = 0;
  for (const [name, type] of Object.entries(types)) {
    const given = values[name];
    if (given === undefined) throw new KernelError(label, `param '${name}' is missing`);
    const value = typeof given === 'number' ? given : given.value;
    if (typeof given !== 'number') {
      scalars ??= [];
      scalars.push({ word: index, type, scalar: given });
    }
    if (type === 'f32') asFloat[index] = value;
    else if (type === 'i32') asInt[index] = value;
    else asUint[index] = value;
    index++;
  }
  return { params: asUint.subarray(0, index), scalars };
}
