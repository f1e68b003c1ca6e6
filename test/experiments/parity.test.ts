import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../experiments/errors.ts';
import { type Images, readCifarFolder } from '../../experiments/parity/data.ts';
import { earlierParity, writeParity } from '../../experiments/parity/file.ts';
import { measureParity, type Parity } from '../../experiments/parity/measure.ts';
import { formatLeftOut, formatParity } from '../../experiments/parity/report.ts';
import { type AttackRun, RUNS } from '../../experiments/parity/runs.ts';
import { STRONG_RUNS } from '../../experiments/parity/strong-runs.ts';
import { encodeSafetensors } from '../../src/formats/safetensors.ts';
import { Network } from '../../src/models/backbone.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear, Relu } from '../../src/nn/layers.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const STEEPNESS = 20;

/** Class 1 for images brighter than grey: logits [0, k Σ_c (mean_c − 1/2)], so all that is measured has a closed form. */
class Brightness extends Network {
  readonly stages = [new Relu()];
  readonly channels = [3];
  readonly head = new Linear(new Initialiser(device, 1), { in: 3, out: 2 });

  constructor() {
    super();
    device.write(this.head.weight, Float32Array.of(0, STEEPNESS, 0, STEEPNESS, 0, STEEPNESS));
    device.write(this.head.bias as Tensor, Float32Array.of(0, -1.5 * STEEPNESS));
  }
}

const SIDE = 4;

/** Images of one grey each. */
function greys(levels: readonly number[], labels: readonly number[]): Images {
  const pixels = Uint8Array.from(levels.flatMap((level) => new Array<number>(SIDE * SIDE * 3).fill(level)));
  return { pixels, labels: Uint8Array.from(labels), side: SIDE };
}

/** Five bright images at 0.5, 1.5, 3.5, 7.5 and 20.5 levels from the boundary, which fall in this order; then dark ones. */
const bright = [128, 129, 131, 135, 148];
const dark = new Array<number>(195).fill(10);
const test1000 = greys([...bright, ...dark, 10, 10], [1, 1, 1, 1, 1, ...dark.map(() => 0), 1, 1]);
const foolbox20 = greys([200, 10, 200, 10], [1, 0, 0, 0]);

function measured(runs: readonly AttackRun[]): Promise<Parity> {
  return measureParity(device, new Brightness(), { test1000, foolbox20 }, { runs });
}

describe('what is measured', () => {
  test('accuracies, and logits, loss and gradient of the first 8', async () => {
    const { clean1000, foolbox20: lossless, logits, loss, inputGradNorm } = await measured([]);
    expect(clean1000).toBeCloseTo(200 / 202, 10);
    expect(lossless).toBe(0.75);
    const expected = [...bright, 10, 10, 10].map((level) => STEEPNESS * 3 * (level / 255 - 0.5));
    expect(logits.map(([first]) => first)).toEqual(new Array(8).fill(0));
    expect(Math.max(...logits.map(([, z], i) => Math.abs((z ?? 0) - (expected[i] ?? 0))))).toBeLessThan(1e-4);
    const margins = expected.map((z, i) => (i < 5 ? z : -z));
    const losses = margins.map((margin) => Math.log1p(Math.exp(-margin)));
    expect(loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 8, 4);
    // Each of the 48 numbers of an image moves its margin by k / 16, and its loss by the probability of the other class.
    const slopes = margins.map((margin) => STEEPNESS / 16 / (1 + Math.exp(margin)) / 8);
    expect(inputGradNorm).toBeCloseTo(
      Math.sqrt(slopes.reduce((sum, slope) => sum + 48 * slope * slope, 0)),
      4,
    );
  });

  test('robust accuracy of the first 200, under attacks that find the way to the boundary', async () => {
    const { robust } = await measured(RUNS);
    const expected = { '1/255': 199 / 200, '2/255': 198 / 200, '4/255': 197 / 200, '8/255': 196 / 200 };
    expect(robust.fgsm).toEqual(expected);
    expect(robust.pgd10).toEqual(expected);
  });

  test('the smallest changes, whose mean norm is the mean distance to the boundary', async () => {
    const run = STRONG_RUNS.find(({ name }) => name === 'deepfool') as AttackRun;
    const { deepfool } = (await measured([run])).robust;
    const distances = [...bright, ...dark].map((level) => Math.abs(level / 255 - 0.5));
    const mean = distances.reduce((a, b) => a + b) / 200;
    // 2 % beyond the boundary, and 10⁻⁴ in each step.
    for (const [norm, size] of [
      ['linf', mean],
      ['l2', mean * Math.sqrt(48)],
    ] as const) {
      expect((deepfool?.[`mean ${norm}`] ?? 0) / size).toBeGreaterThan(1);
      expect((deepfool?.[`mean ${norm}`] ?? 0) / size).toBeLessThan(1.025);
      expect(deepfool?.[`fooled ${norm}`]).toBe(1);
    }
    expect(formatParity(await measured([run]))).toMatch(
      /mean l2 .*fooled l2[\s\S]*deepfool\s+│ 3\.\d{4}\s+│ 100\.0 %/,
    );
  });

  test('robust accuracy in half levels', async () => {
    const run = STRONG_RUNS.find(({ name }) => name === 'apgd-ce') as AttackRun;
    // The image at half a level from the boundary is on it at ε = 0.5/255, but for rounding.
    const { '1/255': one } = (await measured([run])).robust['apgd-ce'] ?? {};
    expect(one).toBe(199 / 200);
  });

  test('an attack is an entry of a list', async () => {
    const run: AttackRun = {
      name: 'count',
      options: { some: 1 },
      measure: async ({ images }) => ({ images: images.labels.length }),
    };
    const parity = await measured([run]);
    expect(parity.robust).toEqual({ count: { images: 200 } });
    expect(parity.options).toEqual({ count: { some: 1 } });
  });

  test('all there is so far is told after each attack, so that a killed run loses one', async () => {
    const runs = ['a', 'b'].map(
      (name): AttackRun => ({ name, options: {}, measure: async () => ({ x: 1 }) }),
    );
    const seen: string[][] = [];
    const onMeasured = ({ robust }: Parity) => void seen.push(Object.keys(robust));
    await measureParity(device, new Brightness(), { test1000, foolbox20 }, { runs, onMeasured });
    expect(seen).toEqual([[], ['a'], ['a', 'b']]);
  });

  test('what was not run is named', () => {
    expect(formatLeftOut(STRONG_RUNS.slice(0, 2))).toContain('not run: cw-l2,deepfool (--attacks all');
    expect(formatLeftOut([])).toBe('');
  });

  test('and is shown as text', async () => {
    const text = formatParity(await measured(RUNS.slice(0, 1)));
    expect(text).toContain('99.0 % of the 1000 re-encoded images, 75.0 % of the 20 lossless ones');
    expect(text).toMatch(/fgsm\s+│ 99.5 %\s+│ 99.0 %\s+│ 98.5 %\s+│ 98.0 %/);
  });
});

describe('the folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parity-'));
    const weights = encodeSafetensors([['w', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]);
    const pixels = new Uint8Array(1000 * 32 * 32 * 3).fill(7);
    await writeFile(join(folder, 'resnet20-12fca82f.safetensors'), weights);
    await writeFile(join(folder, 'test1000.u8.gz'), gzipSync(pixels));
    await writeFile(join(folder, 'test1000.labels.u8'), new Uint8Array(1000));
    await writeFile(join(folder, 'foolbox20.u8'), pixels.subarray(0, 20 * 32 * 32 * 3));
    await writeFile(join(folder, 'foolbox20.labels.u8'), new Uint8Array(20));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('is read, and refused where a file is cut or missing', async () => {
    const found = await readCifarFolder(folder);
    expect([...found.weights.keys()]).toEqual(['w']);
    expect(found.test1000.pixels).toHaveLength(1000 * 3072);
    expect(found.foolbox20.side).toBe(32);
    await writeFile(join(folder, 'foolbox20.labels.u8'), new Uint8Array(19));
    await expect(readCifarFolder(folder)).rejects.toThrow('20 images need 61440 bytes and 20 labels');
    await unlink(join(folder, 'foolbox20.labels.u8'));
    await expect(readCifarFolder(folder)).rejects.toThrow(UsageError);
  });
});

describe('npm run parity', () => {
  const run = (...args: string[]) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      const command = ['--import', 'tsx', 'experiments/parity/main.ts', ...args];
      execFile(process.execPath, command, (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, stdout, stderr });
      });
    });

  test.each([
    [
      ['resnet20', '--data', '/nowhere'],
      'error: cannot read /nowhere/resnet20-12fca82f.safetensors; give the folder',
    ],
    [['resnet20', '--attacks', 'magic'], 'needs none, all or some of fgsm,pgd10'],
    [['resnet21'], "unknown command 'resnet21'"],
  ])('%j is one line and exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

test('a file keeps the attacks of earlier runs on the same adapter, and of no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parity-'));
  const file = join(folder, 'new', 'parity.json');
  const measured = (robust: Parity['robust']): Parity => ({
    ...{ clean1000: 0.8, foolbox20: 1, logits: [], loss: 0.1, inputGradNorm: 1 },
    robust,
    options: Object.fromEntries(Object.keys(robust).map((name) => [name, { steps: 3 }])),
  });
  writeParity(file, measured({ fgsm: { '1/255': 0.2 } }), 'here');
  writeParity(file, measured({ pgd10: { '1/255': 0.1 } }), 'here');
  const kept = { fgsm: { '1/255': 0.2 }, pgd10: { '1/255': 0.1 } };
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ adapter: 'here', robust: kept });
  expect(earlierParity(file, 'here').options).toEqual({ fgsm: { steps: 3 }, pgd10: { steps: 3 } });
  expect(() => earlierParity(file, 'there')).toThrow(UsageError);
  expect(() => writeParity(file, measured({}), 'there')).toThrow(UsageError);
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ adapter: 'here', robust: kept });
  expect(await readdir(join(folder, 'new'))).toEqual(['parity.json']);
  await rm(folder, { recursive: true });
});
