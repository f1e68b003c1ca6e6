// What is wrong with a machine's WebGPU, and what to do about it.
import type { AdapterChoice, AdapterKind } from '../src/node/gpu.ts';
import type { Traits } from '../src/tensor/device.ts';
import type { MeasuredRoof, Roof } from './roof.ts';

/** What is known about a machine; gathered by doctor.ts. */
export interface Facts {
  readonly node: string;
  readonly platform: string;
  /** Linux under Windows. */
  readonly wsl: boolean;
  /** VK_DRIVER_FILES or VK_ICD_FILENAMES, if set. */
  readonly driverVariable: string | undefined;
  /** Manifests of Vulkan drivers, by file name. */
  readonly manifests: readonly string[];
  /** /dev/dri/renderD…, /dev/nvidia0 and the like. */
  readonly gpuNodes: readonly string[];
  /** For each kind, what opened or why it did not. */
  readonly adapters: Readonly<Record<AdapterKind, Opened | Refused>>;
  readonly asked: AdapterChoice;
  /** The adapter that is looked at; undefined when what was asked for does not open. */
  readonly chosen: Chosen | undefined;
}

export interface Opened {
  readonly description: string;
}

export interface Refused {
  readonly error: string;
}

export interface Chosen {
  readonly kind: AdapterKind;
  readonly description: string;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly traits: Traits;
  readonly roof: Roof | undefined;
  readonly known: MeasuredRoof | undefined;
}

export interface Finding {
  /** `problem`: something does not work. `slow`: it works, but could be faster. `note`: good to know. */
  readonly level: 'problem' | 'slow' | 'note';
  readonly what: string;
  readonly remedy: string;
}

const OLDEST_NODE = [20, 11] as const;
const OLDEST_MESA = 24;
const BUSY = 0.6;

/** Everything that rules below find, problems first. */
export function diagnose(facts: Facts): Finding[] {
  const found = RULES.flatMap((rule) => rule(facts) ?? []);
  const order = ['problem', 'slow', 'note'];
  return found.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
}

type Rule = (facts: Facts) => Finding | undefined;

const isOpen = (adapter: Opened | Refused): adapter is Opened => 'description' in adapter;

const nodeRule: Rule = ({ node }) => {
  const [major = 0, minor = 0] = node.replace(/^v/, '').split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return {
    level: 'problem',
    what: `Node ${node} is older than ${OLDEST_NODE.join('.')}`,
    remedy: 'install a newer one: https://nodejs.org',
  };
};

const noAdapterRule: Rule = ({ adapters }) => {
  if (Object.values(adapters).some(isOpen)) return undefined;
  const why = Object.entries(adapters).map(([kind, adapter]) => `${kind}: ${(adapter as Refused).error}`);
  return {
    level: 'problem',
    what: `no adapter opens (${why.join('; ')})`,
    remedy: 'npm i webgpu @sparticuz/chromium; or install a Vulkan driver',
  };
};

const INSTALL: Readonly<Record<AdapterChoice, string>> = {
  auto: 'ask for an adapter above that opens (--adapter)',
  gpu: "install the GPU's Vulkan driver, or use --adapter auto",
  lavapipe: `install Mesa ${OLDEST_MESA} or newer (mesa-vulkan-drivers), or use --adapter auto`,
  swiftshader: 'npm i @sparticuz/chromium (Linux x64 only), or use --adapter auto',
};

const absentRule: Rule = ({ asked, chosen, adapters }) => {
  if (chosen || !Object.values(adapters).some(isOpen)) return undefined;
  return { level: 'problem', what: `adapter '${asked}' does not open`, remedy: INSTALL[asked] };
};

const lavapipeRule: Rule = ({ adapters, manifests }) => {
  if (isOpen(adapters.lavapipe) || !manifests.some((name) => name.includes('lvp_icd'))) return undefined;
  return {
    level: 'problem',
    what: `lavapipe is installed and does not open: Dawn refuses that of Mesa below ${OLDEST_MESA}`,
    remedy: `install Mesa ${OLDEST_MESA} or newer (mesa-vulkan-drivers), or use --adapter swiftshader`,
  };
};

const mesaRule: Rule = ({ adapters }) => {
  const { lavapipe } = adapters;
  const version = isOpen(lavapipe) ? Number(/Mesa (\d+)/.exec(lavapipe.description)?.[1]) : Number.NaN;
  if (!(version < OLDEST_MESA)) return undefined;
  return {
    level: 'problem',
    what: `lavapipe is of Mesa ${version}, which Dawn is not tested with`,
    remedy: `install Mesa ${OLDEST_MESA} or newer`,
  };
};

const idleGpuRule: Rule = ({ gpuNodes, adapters }) => {
  if (gpuNodes.length === 0 || isOpen(adapters.gpu)) return undefined;
  const nvidia = gpuNodes.some((name) => name.includes('nvidia'));
  return {
    level: 'slow',
    what: `there is a GPU (${gpuNodes.join(', ')}) that no Vulkan driver opens`,
    remedy: nvidia
      ? "install the driver's Vulkan part (libnvidia-gl); a container needs NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility"
      : 'install mesa-vulkan-drivers, and let this user open /dev/dri (group render)',
  };
};

const softwareRule: Rule = ({ chosen, adapters }) => {
  if (!chosen?.traits.software || !isOpen(adapters.gpu)) return undefined;
  return {
    level: 'slow',
    what: `${chosen.kind} runs on the CPU, and there is a GPU: ${adapters.gpu.description}`,
    remedy: '--adapter gpu',
  };
};

const wslRule: Rule = ({ wsl, adapters }) => {
  if (!wsl || isOpen(adapters.gpu)) return undefined;
  return {
    level: 'slow',
    what: 'under WSL the GPU has only a driver on top of Direct3D (dzn), which Dawn does not open',
    remedy: 'run in Windows itself, where Dawn uses Direct3D 12, or in a browser',
  };
};

const variableRule: Rule = ({ driverVariable }) =>
  driverVariable === undefined
    ? undefined
    : {
        level: 'note',
        what: `only the drivers of ${driverVariable} are looked at`,
        remedy: 'unset VK_DRIVER_FILES and VK_ICD_FILENAMES to look at all',
      };

const featureRule =
  (feature: string, level: Finding['level'], without: string): Rule =>
  ({ chosen }) =>
    !chosen || chosen.features.includes(feature)
      ? undefined
      : { level, what: `no ${feature}: ${without}`, remedy: 'a newer driver may have it' };

const busyRule: Rule = ({ chosen }) => {
  if (!chosen?.roof || !chosen.known) return undefined;
  const share = chosen.roof.multiplyAdd / chosen.known.roof.multiplyAdd;
  if (share >= BUSY) return undefined;
  return {
    level: 'slow',
    what: `multiply-add runs at ${Math.round(100 * share)} % of the best seen here (${chosen.known.measured})`,
    remedy: 'something else uses the machine, or it is throttled: measure again when it is idle',
  };
};

const RULES: readonly Rule[] = [
  nodeRule,
  noAdapterRule,
  absentRule,
  lavapipeRule,
  mesaRule,
  idleGpuRule,
  softwareRule,
  wslRule,
  variableRule,
  featureRule('subgroups', 'slow', 'matmul, convolution and attention use their slower variants'),
  featureRule('timestamp-query', 'note', 'profiles and benchmarks have wall times only'),
  featureRule('shader-f16', 'note', 'there is no f16 storage'),
  busyRule,
];
