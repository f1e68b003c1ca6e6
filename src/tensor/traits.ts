import { DeviceError } from '../errors.ts';
import type { DType } from './shape.ts';

/** What kernels are chosen by. */
export interface Traits {
  /** The adapter runs on the CPU. */
  readonly software: boolean;
  /** e.g. `swiftshader`, `software` (lavapipe), `ampere`, `metal-3`. */
  readonly architecture: string;
  readonly vendor: string;
  readonly description: string;
  readonly subgroups: boolean;
  /** Tensors may be f16. */
  readonly f16: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly maxInvocations: number;
  readonly maxWorkgroupBytes: number;
}

/** The traits of a device, whose adapter may not be known. */
export function traitsOf(gpu: GPUDevice, adapter: GPUAdapter | undefined): Traits {
  const info = adapter?.info ?? gpu.adapterInfo;
  return {
    software: info.isFallbackAdapter,
    architecture: info.architecture,
    vendor: info.vendor,
    description: info.description || info.device || info.architecture,
    subgroups: gpu.features.has('subgroups'),
    f16: gpu.features.has('shader-f16'),
    subgroupMinSize: info.subgroupMinSize,
    subgroupMaxSize: info.subgroupMaxSize,
    maxInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupBytes: gpu.limits.maxComputeWorkgroupStorageSize,
  };
}

/** Throws `DeviceError` of `op` for f16 where there is none. */
export function checkType(dtype: DType, { f16 }: Traits, op: string): void {
  if (dtype === 'f16' && !f16)
    throw new DeviceError(op, "f16 needs the feature 'shader-f16', which this device lacks; use f32");
}
