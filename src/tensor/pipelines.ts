import { KernelError } from '../errors.ts';
import type { ErrorSink } from './error-sink.ts';

/** One entry point as `scripts/reflect.ts` reads it from its shader. */
export interface EntryInfo {
  /** Storage bindings the entry uses, by variable name. */
  readonly tensors: Readonly<
    Record<string, { readonly binding: number; readonly access: 'read' | 'read_write' }>
  >;
  /** Members of its uniform struct, in order. */
  readonly params: Readonly<Record<string, 'u32' | 'i32' | 'f32'>>;
  /** Binding of the uniform struct. */
  readonly uniform: number;
}

/** One `.wgsl` file: its text and its interface. */
export interface ShaderFile {
  readonly file: string;
  readonly code: string;
  readonly entries: Readonly<Record<string, EntryInfo>>;
  /** `override` declarations. */
  readonly constants: Readonly<Record<string, string>>;
  /** `const TILE_… = n;`, `alias T = …;` and `alias S = …;` lines, which a launch may replace. */
  readonly lines: Readonly<Record<string, string>>;
  /** The alias that names the type of a tensor's elements, by the tensor; absent where there is none. */
  readonly typed?: Readonly<Record<string, string>>;
}

/** Values for `override`s, and for the replaceable lines of a shader. */
export interface Specialization {
  readonly constants?: Readonly<Record<string, number>>;
  readonly lines?: Readonly<Record<string, number | string>>;
}

export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Names the layout in bind-group keys. */
  readonly layoutKey: string;
  /** Binding numbers of the storage buffers, in the order of `EntryInfo.tensors`. */
  readonly bindings: readonly number[];
  readonly uniform: number;
}

/** What a pipeline is built from. */
export interface Wanted {
  readonly shader: ShaderFile;
  readonly entry: string;
  readonly specialization: Specialization;
}

/** All a pipeline is built from. */
interface Draft {
  readonly descriptor: GPUComputePipelineDescriptor;
  readonly interface: Omit<Pipeline, 'gpu'>;
  /** The error of the driver, with the line of the shader where it has one. */
  readonly explain: (error: Pick<GPUError, 'message'>) => Promise<KernelError>;
}

interface Layout {
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

const COMPUTE = 0x4; // GPUShaderStage.COMPUTE

/** Builds and keeps pipelines by (file, entry, constants, replaced lines). */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #errors: ErrorSink;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #building = new Map<string, Promise<void>>();
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<string, Layout>();

  constructor(device: GPUDevice, errors: ErrorSink) {
    this.#device = device;
    this.#errors = errors;
  }

  /** How many pipelines have been built. */
  get count(): number {
    return this.#pipelines.size;
  }

  get(wanted: Wanted): Pipeline {
    const key = keyOfPipeline(wanted);
    const known = this.#pipelines.get(key);
    if (known) return known;
    const built = this.#build(wanted, () => this.#pipelines.delete(key));
    this.#pipelines.set(key, built);
    return built;
  }

  /** Builds those that are not there side by side, off the calling thread; → them. Throws `KernelError`. */
  async prepare(wanted: readonly Wanted[]): Promise<Pipeline[]> {
    const missing = new Map(wanted.map((each) => [keyOfPipeline(each), each] as const));
    for (const key of this.#pipelines.keys()) missing.delete(key);
    const builds = await Promise.allSettled([...missing].map(([key, each]) => this.#once(key, each)));
    await this.#errors.settle(); // what is wrong with a module says more than that its pipeline failed
    const failed = builds.find((build) => build.status === 'rejected');
    if (failed) throw failed.reason;
    return [...missing.keys()].flatMap((key) => this.#pipelines.get(key) ?? []);
  }

  /** What two warm-ups need at the same time is built once. */
  #once(key: string, wanted: Wanted): Promise<void> {
    const building =
      this.#building.get(key) ?? this.#prepare(key, wanted).finally(() => this.#building.delete(key));
    this.#building.set(key, building);
    return building;
  }

  async #prepare(key: string, wanted: Wanted): Promise<void> {
    const draft = this.#draft(wanted);
    // A module without errors makes no report; a pipeline's error is that of its promise, not of an error scope.
    const work = this.#device.createComputePipelineAsync(draft.descriptor).then(
      (gpu) => ({ gpu }),
      async (error: GPUError) => ({ failure: await draft.explain(error) }),
    );
    const built = await this.#errors.orLost(work);
    if ('failure' in built) throw built.failure;
    // A launch may have come first.
    if (!this.#pipelines.has(key)) this.#pipelines.set(key, { ...draft.interface, gpu: built.gpu });
  }

  #build(wanted: Wanted, forget: () => void): Pipeline {
    const { descriptor, interface: known, explain } = this.#draft(wanted);
    const create = () => this.#device.createComputePipeline(descriptor);
    const gpu = this.#errors.guard('validation', labelOf(wanted), create, (error) => {
      forget(); // so that its next use says again what is wrong with it
      return explain(error);
    });
    return { ...known, gpu };
  }

  #draft({ shader, entry, specialization: { constants = {}, lines = {} } }: Wanted): Draft {
    const info = entryOf(shader, entry);
    const layoutKey = keyOfLayout(info);
    const layout = this.#layout(layoutKey, info);
    const code = specialize(shader, lines);
    const label = labelOf({ shader, entry });
    const module = this.#module(`${shader.file}/${keyOf(lines)}`, shader.file, label, code);
    const tensors = Object.values(info.tensors);
    return {
      descriptor: {
        label,
        layout: layout.pipeline,
        compute: { module, entryPoint: entry, constants: { ...constants } },
      },
      interface: {
        layout: layout.group,
        layoutKey,
        bindings: tensors.map(({ binding }) => binding),
        uniform: info.uniform,
      },
      explain: async (error) => new KernelError(label, await explainShader(module, shader.file, code, error)),
    };
  }

  #module(key: string, file: string, label: string, code: string): GPUShaderModule {
    const known = this.#modules.get(key);
    if (known) return known;
    const module: GPUShaderModule = this.#errors.guard(
      'validation',
      label,
      () => this.#device.createShaderModule({ code, label: key }),
      async (error) => new KernelError(label, await explainShader(module, file, code, error)),
    );
    this.#modules.set(key, module);
    return module;
  }

  #layout(key: string, info: EntryInfo): Layout {
    const known = this.#layouts.get(key);
    if (known) return known;
    const group = this.#device.createBindGroupLayout({ entries: layoutEntries(info) });
    const layout = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
    this.#layouts.set(key, layout);
    return layout;
  }
}

/** The interface of one entry point. Throws `KernelError` when the shader has none of that name. */
export function entryOf(shader: ShaderFile, entry: string): EntryInfo {
  const info = shader.entries[entry];
  if (!info) throw new KernelError(shader.file, `has no entry point '${entry}'`);
  return info;
}

/** What a kernel is called in messages and profiles. */
export function labelOf({ shader, entry }: Pick<Wanted, 'shader' | 'entry'>): string {
  return `${shader.file}:${entry}`;
}

/** Which of its storage buffers a kernel may write to, in the order of `EntryInfo.tensors`. */
export function writesOf({ shader, entry }: Wanted): boolean[] {
  return Object.values(entryOf(shader, entry).tensors).map(({ access }) => access === 'read_write');
}

/** The shader text with its replaceable lines set; every other line stays as it is. */
export function specialize(shader: ShaderFile, lines: Readonly<Record<string, number | string>>): string {
  let code = shader.code;
  for (const [name, value] of Object.entries(lines)) {
    const known = shader.lines[name];
    if (known === undefined) throw new KernelError(shader.file, `has no replaceable line '${name}'`);
    code = code.replace(known, known.replace(/=.*;/, `= ${value};`));
  }
  // On the first line, so that messages still name the right ones.
  return Object.values(lines).includes('f16') ? `enable f16; ${code}` : code;
}

function layoutEntries(info: EntryInfo): GPUBindGroupLayoutEntry[] {
  const uniform: GPUBindGroupLayoutEntry = {
    binding: info.uniform,
    visibility: COMPUTE,
    buffer: { type: 'uniform', hasDynamicOffset: true },
  };
  const storage = Object.values(info.tensors).map(
    ({ binding, access }): GPUBindGroupLayoutEntry => ({
      binding,
      visibility: COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }),
  );
  return [uniform, ...storage];
}

function keyOfLayout(info: EntryInfo): string {
  const storage = Object.values(info.tensors).map(
    ({ binding, access }) => `${binding}${access === 'read' ? 'r' : 'w'}`,
  );
  return `${info.uniform}|${storage.join('')}`;
}

function keyOfPipeline({ shader, entry, specialization: { constants = {}, lines = {} } }: Wanted): string {
  return `${shader.file}/${entry}/${keyOf(constants)}/${keyOf(lines)}`;
}

function keyOf(values: Readonly<Record<string, number | string>>): string {
  return Object.entries(values).join(';');
}

/** `softmax.wgsl:12:5: unresolved value 'foo'` and the line itself, for each compiler message. */
async function explainShader(
  module: GPUShaderModule,
  file: string,
  code: string,
  error: Pick<GPUError, 'message'>,
): Promise<string> {
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter((message) => message.type === 'error');
  if (errors.length === 0) return error.message.trim();
  const lines = code.split('\n');
  return errors
    .map(
      ({ lineNum, linePos, message }) =>
        `${file}:${lineNum}:${linePos}: ${message}\n  ${lines[lineNum - 1] ?? ''}`,
    )
    .join('\n');
}
