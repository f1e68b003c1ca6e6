import { expect, test } from 'vitest';
import { loadData } from '../../experiments/data.ts';
import { linearBaseline } from '../../experiments/linear-baseline.ts';
import { buildNetwork } from '../../experiments/networks.ts';
import { PRESETS } from '../../experiments/presets.ts';
import { evaluateClean } from '../../src/train/evaluate.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { openTestDevice } from '../open.ts';

// The margin is measured: 75.0 % against 41.0 % on SwiftShader, seed 1, all twelve epochs.
test('on the embedded data a network is 20 points above the linear model', { timeout: 300_000 }, async () => {
  const preset = PRESETS.embedded.quick;
  const data = await loadData(undefined, preset, 1);
  const device = await openTestDevice();
  const network = buildNetwork(device, 'skeleton', data, preset.network, 1);
  const sizes = preset.training.natural;
  const trainer = new Trainer(device, network, data, data.splits.train, { ...sizes, seed: 1 });
  for (let epoch = 0; epoch < sizes.epochs; epoch++) await trainer.epoch();
  const { correct } = await evaluateClean(device, network, data, data.splits.test, { batchSize: 48 });
  device.dispose();
  const accuracy = correct.filter(Boolean).length / correct.length;
  const linear = (await linearBaseline(data)).skeleton ?? 1;
  expect(accuracy, `network ${accuracy}, linear model ${linear}`).toBeGreaterThan(linear + 0.2);
});
