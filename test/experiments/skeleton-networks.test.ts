import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseCommandLine } from '../../experiments/options.ts';
import { PRESETS, presetFor } from '../../experiments/presets.ts';
import { SKELETON_NETWORKS, skeletonBackbone } from '../../experiments/skeleton-networks.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { randomUniform } from '../../src/kernels/random.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const parents = [-1, 0, 1, 0];
const sizes = { ...PRESETS.embedded.smoke.network, skeletonWidths: [4, 4, 4, 4] as const };

test.each(SKELETON_NETWORKS)('%s does not see where in the room a person stands', async (skeletonNetwork) => {
  const network = skeletonBackbone(
    new Initialiser(device, 1),
    { frames: 16, parents },
    { ...sizes, skeletonNetwork },
  );
  const x = randomUniform(device, [2, 16, 4, 3], { seed: 1 });
  const pooled = (input: typeof x) =>
    device.scope(() => network.pool(network.features(input, EVALUATION), EVALUATION));
  const [here, there] = [pooled(x), pooled(add(x, device.tensor([3, 0, -2])))];
  expect(here.shape).toEqual([2, network.channels.at(-1)]);
  const [a, b] = [await here.read(), await there.read()];
  const largest = Math.max(...a.map(Math.abs));
  expect(largest).toBeGreaterThan(0);
  for (const [i, value] of a.entries()) expect(Math.abs(value - (b[i] ?? 0))).toBeLessThan(1e-4 * largest);
  network.dispose();
});

test('the command line chooses one, st-gcn when it does not', () => {
  const chosen = (...args: string[]) => {
    const { run } = parseCommandLine(args);
    return run && presetFor(run).network.skeletonNetwork;
  };
  expect(chosen()).toBe('st-gcn');
  expect(chosen('--skeleton-network', 'hcn')).toBe('hcn');
  expect(() => chosen('--skeleton-network', 'agcn')).toThrow(/st-gcn, st-gcn-18, hcn, ctr-gcn/);
});

test('deep networks train for fewer epochs on recorded data, unless the full preset is asked for', () => {
  const epochs = (...args: string[]) =>
    presetFor(parseCommandLine(['--data', 'x', ...args]).run!).training.natural.epochs;
  const { quick, full } = PRESETS.recorded;
  expect(epochs('--skeleton-network', 'hcn')).toBe(quick.training.natural.epochs);
  for (const deep of ['ctr-gcn', 'st-gcn-18']) {
    expect(epochs('--skeleton-network', deep)).toBeLessThan(quick.training.natural.epochs / 2);
    expect(epochs('--preset', 'full', '--skeleton-network', deep)).toBe(full.training.natural.epochs);
  }
});
