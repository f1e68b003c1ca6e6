import { check, DeviceError } from '../errors.ts';
import type { Device } from '../tensor/device.ts';
import { sizeOfImage } from '../tensor/image-copy.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { run } from './run.ts';
import { imageWgsl } from './wgsl.gen.ts';

export interface ImageOptions {
  /** 3 (r, g, b) or 4 (with alpha, not multiplied in); 3 when left out. */
  readonly channels?: 3 | 4;
  /** The last row first. */
  readonly flipY?: boolean;
}

const OP = 'tensorFromImage';

/**
 * A picture as a tensor: sRGB bytes / 255 → f32 [H, W, channels] in [0, 1]. `source` is a `VideoFrame`, `ImageBitmap`,
 * `ImageData`, canvas, image or video element, copied on the GPU as it is now, at its own size (then `resize`). Throws
 * `ShapeError` for another number of channels and for a picture that is not loaded; `DeviceError` for one that is larger than
 * the device's textures, of another origin or closed, and where there is no browser (Node).
 */
export function tensorFromImage(
  device: Device,
  source: GPUCopyExternalImageSource,
  { channels = 3, flipY = false }: ImageOptions = {},
): Tensor {
  check(channels === 3 || channels === 4, OP, () => `channels must be 3 or 4; got ${String(channels)}`);
  const size = sizeOfImage(source, OP);
  const { width, height, rowBytes } = size;
  const most = device.gpu.limits.maxTextureDimension2D;
  if (Math.max(width, height) > most)
    throw new DeviceError(OP, `the image is ${width} × ${height}; this device takes ${most} at most`);
  const texels = device.allocate([height, rowBytes / 4], 'u32', OP);
  try {
    if (!device.warmUp) device.queue.image(source, size, texels.storage(OP).buffer, flipY);
    return unpackPixels(texels, width, channels);
  } finally {
    texels.dispose();
  }
}

/** Words of r, g, b, a bytes u32 [H, stride], of which the first `width` of a row count → f32 [H, width, channels]. */
export function unpackPixels(texels: Tensor, width: number, channels: number): Tensor {
  const [height = 0, stride = 0] = texels.shape;
  const out = texels.device.allocate([height, width, channels], 'f32', OP);
  const params = { count: out.size, width, stride, channels };
  run(imageWgsl, 'unpackPixels', { texels, out }, params, { groups: groupsOf(Math.ceil(out.size / 4)) });
  return out;
}
