import { expect, test } from 'vitest';
import { examplesOf, runExample } from '../docs/examples.ts';
import { openTestDevice } from '../open.ts';

test('the examples of docs/training.md run, one after the other', async () => {
  const device = await openTestDevice({ poison: true });
  const { printed } = await runExample(examplesOf('docs/training.md').join('\n'), device);
  device.dispose();
  expect(printed.filter((line) => /loss: \d+\.\d+/.test(line))).toHaveLength(9);
  expect(printed.slice(-1)[0]).toMatch(/^\d+\.\d+$/);
});
