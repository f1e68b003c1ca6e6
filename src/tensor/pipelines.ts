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
  /** `const TILE_… = n;` and `alias T = …;` lines, which a launch may replace. */
  readonly lines: Readonly<Record<string, string>>;
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
  /** Which of them the shader may write to. */
  readonly written: readonly boolean[];
  readonly uniform: number;
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

  get(shader: ShaderFile, entry: string, { constants = {}, lines = {} }: Specialization): Pipeline {
    const key = `${shader.file}/${entry}/${keyOf(constants)}/${keyOf(lines)}`;
    const known = this.#pipelines.get(key);
    if (known) return known;
    const built = this.#build(shader, entry, { constants, lines }, () => this.#pipelines.delete(key));
    this.#pipelines.set(key, built);
    return built;
  }

  #build(
    shader: ShaderFile,
    entry: string,
    { constants, lines }: Required<Specialization>,
    forget: () => void,
  ): Pipeline {
    const info = entryOf(shader, entry);
    const layoutKey = keyOfLayout(info);
    const layout = this.#layout(layoutKey, info);
    const code = specialize(shader, lines);
    const label = `${shader.file}:${entry}`;
    const module = this.#module(`${shader.file}/${keyOf(lines)}`, shader.file, label, code);
    const gpu = this.#errors.guard(
      'validation',
      label,
      () =>
        this.#device.createComputePipeline({
          label,
          layout: layout.pipeline,
          compute: { module, entryPoint: entry, constants: { ...constants } },
        }),
      async (error) => {
        forget(); // so that its next use says again what is wrong with it
        return new KernelError(label, await explainShader(module, shader.file, code, error));
      },
    );
    const tensors = Object.values(info.tensors);
    const bindings = tensors.map(({ binding }) => binding);
    const written = tensors.map(({ access }) => access === 'read_write');
    return { gpu, layout: layout.group, layoutKey, bindings, written, uniform: info.uniform };
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

/** The shader text with its replaceable lines set; every other line stays as it is. */
export function specialize(shader: ShaderFile, lines: Readonly<Record<string, number | string>>): string {
  let code = shader.code;
  for (const [name, value] of Object.entries(lines)) {
    const known = shader.lines[name];
    if (known === undefined) throw new KernelError(shader.file, `has no replaceable line '${name}'`);
    code = code.replace(known, known.replace(/=.*;/, `= ${value};`));
  }
  return code;
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

function keyOf(values: Readonly<Record<string, number | string>>): string {
  return Object.entries(values).join(';');
}

/** `softmax.wgsl:12:5: unresolved value 'foo'` and the line itself, for each compiler message. */
async function explainShader(
  module: GPUShaderModule,
  file: string,
  code: string,
  error: GPUError,
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
