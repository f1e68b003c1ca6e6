import { afterAll, beforeAll, expect, test } from 'vitest';
import { CaptureError, DeviceError, ShapeError } from '../../src/errors.ts';
import { tensorFromImage, unpackPixels } from '../../src/kernels/image.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import { sizeOfImage } from '../../src/tensor/image-copy.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
});
afterAll(() => device.dispose());

const picture = (width: number, height: number) =>
  ({ width, height, data: new Uint8ClampedArray(4 * width * height) }) as ImageData;

test.each([
  [1, 1, 3],
  [3, 2, 3],
  [5, 3, 4],
  [70, 3, 3],
])('%i × %i pixels of %i channels, in rows of 64 words', async (width, height, channels) => {
  const stride = Math.ceil(width / 64) * 64;
  const bytes = Uint8Array.from({ length: 4 * stride * height }, (_, i) => (i * 37 + 11) % 256);
  const texels = device.tensor(new Uint32Array(bytes.buffer), [height, stride]);
  const expected = Array.from({ length: height * width * channels }, (_, i) => {
    const [c, pixel] = [i % channels, Math.floor(i / channels)];
    return (bytes[4 * (Math.floor(pixel / width) * stride + (pixel % width)) + c] ?? 0) / 255;
  });
  const x = unpackPixels(texels, width, channels);
  expect(x.shape).toEqual([height, width, channels]);
  const found = await x.read();
  expected.forEach((value, i) => {
    expect(found[i]).toBeCloseTo(value, 6);
  });
});

test('where there is no browser the error says what to do instead, and nothing is left alive', async () => {
  const { live } = device.memory();
  const call = () => tensorFromImage(device, picture(2, 2));
  expect(call).toThrow(DeviceError);
  expect(call).toThrow(/tensorFromImage: .*Node.*device\.tensor/);
  expect(device.memory().live).toBe(live);
  await device.idle();
});

test('the size is that of what can be seen', () => {
  const shown = { width: 300, height: 150 };
  const frame = { codedWidth: 80, displayWidth: 70, displayHeight: 3 } as VideoFrame;
  expect(sizeOfImage(frame, 'test')).toEqual({ width: 70, height: 3, rowBytes: 512 });
  const video = { ...shown, videoWidth: 64, videoHeight: 48 } as HTMLVideoElement;
  expect(sizeOfImage(video, 'test')).toEqual({ width: 64, height: 48, rowBytes: 256 });
  const image = { ...shown, naturalWidth: 65, naturalHeight: 7 } as HTMLImageElement;
  expect(sizeOfImage(image, 'test')).toEqual({ width: 65, height: 7, rowBytes: 512 });
  expect(sizeOfImage(picture(3, 2), 'test')).toEqual({ width: 3, height: 2, rowBytes: 256 });
});

test('what is no picture of this size', () => {
  const most = device.gpu.limits.maxTextureDimension2D;
  expect(() => tensorFromImage(device, { width: most + 1, height: 1 } as ImageBitmap)).toThrow(
    new DeviceError('tensorFromImage', `the image is ${most + 1} × 1; this device takes ${most} at most`),
  );
  const nothing = { videoWidth: 0, videoHeight: 0, width: 300, height: 150 } as HTMLVideoElement;
  expect(() => tensorFromImage(device, nothing)).toThrow(
    new ShapeError('tensorFromImage', 'the image is 0 × 0; wait until it is loaded'),
  );
  const options = { channels: 2 as 3 };
  expect(() => tensorFromImage(device, picture(1, 1), options)).toThrow('channels must be 3 or 4; got 2');
});

test('inside a captured step it is an error; a warm-up copies nothing', async () => {
  const step = capture(() => tensorFromImage(device, picture(2, 2)));
  expect(() => (step as (x: unknown) => unknown)(device.tensor([1]))).toThrow(CaptureError);
  expect(await device.warm(() => tensorFromImage(device, picture(2, 2)))).toBeLessThan(2);
});
