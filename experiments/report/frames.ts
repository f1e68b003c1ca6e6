import type { Exhibit } from '../results.ts';
import { short } from './format.ts';
import { type Html, html } from './html.ts';
import { encodePng } from './png.ts';

type Clips = NonNullable<Exhibit['clips']>;

/** Most frames or poses in a row. */
export const FRAMES = 6;
const GAP = 1;

/** Up to `FRAMES` indices spread evenly over `count` frames. */
export function pickFrames(count: number): number[] {
  const shown = Math.min(FRAMES, count);
  return Array.from({ length: shown }, (_, i) => Math.floor(((i + 0.5) * count) / shown));
}

/** Clean frames, attacked frames, and their difference magnified; only the clean ones where nothing was changed. */
export function frameRows(clips: Clips, video: string): Html[] {
  const { clean, attacked } = clips;
  const largest = clean.reduce((most, v, i) => Math.max(most, Math.abs((attacked[i] ?? v) - v)), 0);
  if (largest === 0) return [strip(clips, clean, `${video}, not attacked`)];
  const factor = Math.max(1, Math.floor(0.5 / largest));
  const change = clean.map((v, i) => 0.5 + factor * ((attacked[i] ?? v) - v));
  const caption = `Change × ${factor}`;
  const note = `grey: none; largest ${short(largest * 255)}/255`;
  return [
    strip(clips, clean, `${video}, clean`),
    strip(clips, attacked, `${video}, attacked`),
    strip(clips, change, caption, note),
  ];
}

/** The picked frames side by side as one picture. */
function strip(clips: Clips, pixels: Float32Array, caption: string, note = ''): Html {
  const [frames, height, width, channels] = clips.shape;
  const picked = pickFrames(frames);
  const colors = channels === 3 ? 3 : 1;
  const total = picked.length * (width + GAP) - GAP;
  const bytes = new Uint8Array(height * total * colors).fill(255);
  picked.forEach((frame, i) => {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = ((frame * height + y) * width + x) * channels;
        const to = (y * total + i * (width + GAP) + x) * colors;
        for (let c = 0; c < colors; c++) bytes[to + c] = toByte(pixels[from + c] ?? 0);
      }
    }
  });
  const url = `data:image/png;base64,${encodePng(bytes, total, height, colors).toString('base64')}`;
  const alt = `${caption}: frames ${picked.map((f) => f + 1).join(', ')} of ${frames}`;
  return html`<div class="row"><div class="name">${caption}<small>${note}</small></div><img src="${url}" width="${total}" height="${height}" alt="${alt}"></div>`;
}

function toByte(value: number): number {
  return Math.round(255 * Math.min(1, Math.max(0, value)));
}
