import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import type { StoredTensor } from '../../src/formats/stored.ts';

const [SAMPLES, FRAMES, JOINTS] = [16, 10, 3];
/** Depth clips [6, 20, 20, 1]: one half is near, the other far. */
export const [NEAR, FAR] = [200, 40];
const [CLIP, SIDE] = [6, 20];

/** A data set in a folder below `base`: four subjects wave or stand still, twice each; with depth clips if asked for. */
export async function writeWaves(base: string, { depth }: { depth: boolean }): Promise<string> {
  const folder = await mkdtemp(join(base, 'waves-'));
  const about = {
    name: 'waves',
    title: 'Waves',
    classes: ['still', 'wave'],
    joints: ['hip', 'chest', 'head'],
    parents: [-1, 0, 1],
    video: depth ? { kind: 'depth', frames: CLIP, height: SIDE, width: SIDE, channels: 1 } : null,
    skeleton: { scale: 0.001 },
    splits: { 'cross-subject': { train: { subjects: [1, 2, 3] }, test: { subjects: [4] } } },
    sequences: Array.from({ length: SAMPLES }, (_, i) => ({
      label: i % 2,
      subject: Math.floor(i / 4) + 1,
      frames: FRAMES,
      skeletonOffset: i * FRAMES,
    })),
  };
  const tensors: [string, StoredTensor][] = [['skeleton', skeletons()], ...(depth ? [clips()] : [])];
  await writeFile(join(folder, 'dataset.json'), JSON.stringify(about));
  await writeFile(join(folder, 'dataset.safetensors'), encodeSafetensors(tensors));
  return folder;
}

/** Three joints in a chain, in mm, with noise. */
function skeletons(): StoredTensor {
  const data = Int16Array.from({ length: SAMPLES * FRAMES * JOINTS * 3 }, (_, k) => {
    const [t, v] = [Math.floor(k / 9) % FRAMES, Math.floor(k / 3) % JOINTS];
    const waves = Math.floor(k / (9 * FRAMES)) % 2 === 1 && k % 3 === 0;
    return Math.round(v * 300 + (waves ? v * 200 * Math.sin(t) : 0) + ((k * 37) % 11));
  });
  return { dtype: 'I16', shape: [SAMPLES * FRAMES, JOINTS, 3], data };
}

/** The left half is near in one class, the right half in the other. */
function clips(): [string, StoredTensor] {
  const size = CLIP * SIDE * SIDE;
  const data = Uint8Array.from({ length: SAMPLES * size }, (_, k) => {
    const right = Number(k % SIDE >= SIDE / 2);
    return right === Math.floor(k / size) % 2 ? NEAR : FAR;
  });
  return ['video', { dtype: 'U8', shape: [SAMPLES, CLIP, SIDE, SIDE, 1], data }];
}
