// The module that image.test.ts opens in a browser: pictures of every kind as tensors.
import { tensorFromImage } from '../../src/kernels/image.ts';
import { resize } from '../../src/kernels/resize.ts';
import { openDevice } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

const [WIDTH, HEIGHT] = [70, 3];

/** Elements of a picture, rounded to bytes again. */
export interface Copied {
  readonly shape: readonly number[];
  readonly bytes: readonly number[];
  readonly error?: string;
}

/** Opaque, a different colour at every pixel. */
const colourAt = (x: number, y: number) => [3 * x, 50 * y + 20, 255 - x, 255] as const;

function pixels(): ImageData {
  const data = new Uint8ClampedArray(4 * WIDTH * HEIGHT);
  for (let i = 0; i < WIDTH * HEIGHT; i++) data.set(colourAt(i % WIDTH, Math.floor(i / WIDTH)), 4 * i);
  return new ImageData(data, WIDTH, HEIGHT);
}

function draw<C extends HTMLCanvasElement | OffscreenCanvas>(canvas: C): C {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  context.putImageData(pixels(), 0, 0);
  return canvas;
}

async function copied(tensor: Tensor): Promise<Copied> {
  return { shape: tensor.shape, bytes: Array.from(await tensor.read('f32'), (value) => 255 * value) };
}

function errorOf(action: () => unknown): string {
  try {
    action();
    return '';
  } catch (error) {
    return String(error);
  }
}

/** Every kind of source, as f32 · 255. */
async function copyAll(): Promise<Record<string, Copied>> {
  const device = await openDevice();
  const canvas = draw(new OffscreenCanvas(WIDTH, HEIGHT));
  const element = draw(Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT }));
  const bitmap = await createImageBitmap(pixels());
  const image = new Image();
  image.src = element.toDataURL();
  await image.decode();
  // Copying a VideoFrame itself ends the GPU process of the test browser, with plain WebGPU calls too.
  const video = new VideoFrame(canvas, { timestamp: 0 });
  const frame = await createImageBitmap(video);
  video.close();
  const sources = { canvas, element, bitmap, image, frame, pixels: pixels() };
  const found: Record<string, Copied> = {};
  for (const [name, source] of Object.entries(sources))
    found[name] = await copied(tensorFromImage(device, source));
  found.flipped = await copied(tensorFromImage(device, bitmap, { channels: 4, flipY: true }));
  const clip = tensorFromImage(device, bitmap).view([1, HEIGHT, WIDTH, 3], 'test');
  found.small = await copied(resize(clip, { size: [1, 35] }));
  frame.close();
  found.closed = { shape: [], bytes: [], error: errorOf(() => tensorFromImage(device, frame)) };
  await device.idle();
  device.dispose();
  return found;
}

const api = { copyAll };
export type ImagePageApi = typeof api;
Object.assign(globalThis, api);
