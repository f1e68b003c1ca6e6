import { check, DeviceError } from '../errors.ts';

const COPY_SRC_DST_ATTACHMENT = 0x01 | 0x02 | 0x10;
/** WebGPU copies rows of a texture to multiples of so many bytes. */
const ROW_BYTES = 256;

/** Width and height of a picture in pixels, and bytes from one row to the next in its copy. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
  readonly rowBytes: number;
}

/** The size of what can be seen: not of the element that shows it. Throws `ShapeError` when there is nothing yet. */
export function sizeOfImage(source: GPUCopyExternalImageSource, op: string): ImageSize {
  const [width, height] = pixelsOf(source);
  check(width > 0 && height > 0, op, () => `the image is ${width} × ${height}; wait until it is loaded`);
  return { width, height, rowBytes: Math.ceil((4 * width) / ROW_BYTES) * ROW_BYTES };
}

function pixelsOf(source: GPUCopyExternalImageSource): readonly [number, number] {
  if ('displayWidth' in source) return [source.displayWidth, source.displayHeight];
  if ('videoWidth' in source) return [source.videoWidth, source.videoHeight];
  if ('naturalWidth' in source) return [source.naturalWidth, source.naturalHeight];
  return [source.width, source.height];
}

/**
 * Submits a copy of `source` to `target`: a word of r, g, b, a bytes (sRGB, alpha not multiplied in) a pixel. Throws
 * `DeviceError` of `op` where the browser refuses the source, or where there is no browser.
 */
export function copyImage(
  device: GPUDevice,
  source: GPUCopyExternalImageSource,
  { width, height, rowBytes }: ImageSize,
  target: GPUBuffer,
  flipY: boolean,
): void {
  const size = [width, height];
  const descriptor = { size, format: 'rgba8unorm', usage: COPY_SRC_DST_ATTACHMENT } as const;
  const texture = device.createTexture(descriptor);
  try {
    device.queue.copyExternalImageToTexture({ source, flipY }, { texture }, size);
    const encoder = device.createCommandEncoder();
    encoder.copyTextureToBuffer({ texture }, { buffer: target, bytesPerRow: rowBytes }, size);
    device.queue.submit([encoder.finish()]);
  } catch (cause) {
    const why = `this source cannot be copied (in Node none can: upload bytes with device.tensor): ${cause}`;
    throw new DeviceError('tensorFromImage', why, { cause });
  } finally {
    texture.destroy();
  }
}
