import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Results } from '../../experiments/results.ts';
import { ADAPTER, start, temporary } from './start.ts';
import { FAR, NEAR, writeWaves } from './waves.ts';

let base: string;
beforeAll(async () => {
  base = await temporary();
});

/** Results of a run on a folder, and where its report is. */
async function run(folder: string, ...args: readonly string[]): Promise<[Results, string, string]> {
  const out = join(base, `run-of-${args.length}`);
  const usual = ['--data', folder, '--preset', 'smoke', '--adapter', ADAPTER, '--out', out];
  const { code, out: text, err } = await start([...usual, ...args]);
  expect(code, err).toBe(0);
  return [JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as Results, out, text];
}

const idsOf = ({ models }: Results) => models.map(({ name, train }) => `${name}-${train}`);

test('a folder with skeletons alone: its network, trained both ways on all but the test subjects', {
  timeout: 200_000,
}, async () => {
  const [results] = await run(await writeWaves(base, { depth: false }));
  expect(idsOf(results)).toEqual(['skeleton-natural', 'skeleton-pgd']);
  expect(results.holdOut).toBe(false);
  expect(results.dataset.samples).toEqual({ train: 8, validation: 4, test: 4 });
  for (const { training, robust } of results.models) {
    expect(training.best).toBe(training.epochs.length);
    expect(training.epochs.map(({ validation }) => validation)).toEqual(training.epochs.map(() => null));
    expect(new Set(robust.map(({ on }) => on))).toEqual(new Set(['skeleton']));
  }
});

test('a folder with depth clips and skeletons: five networks, attacked on each and on both', {
  timeout: 200_000,
}, async () => {
  const folder = await writeWaves(base, { depth: true });
  const [results, out, table] = await run(folder, '--attacks', 'pgd2', '--eps', '8/255:0.02');
  const both = ['concat-natural', 'concat-pgd', 'amr-pgd'];
  expect(idsOf(results)).toEqual(['rgb-natural', 'skeleton-natural', ...both]);
  expect(results.dataset).toMatchObject({
    modalities: ['rgb', 'skeleton'],
    video: 'depth',
    samples: { train: 8, validation: 4, test: 4 },
    subjects: { train: ['1', '2'], validation: ['3'], test: ['4'] },
  });
  // Half of the pixels near, half far: shrinking from 20 to 16 columns keeps the halves apart.
  expect(results.dataset.deviation.rgb).toBeCloseTo((NEAR - FAR) / 2 / 255, 12);
  for (const model of results.models) {
    const targets = both.includes(`${model.name}-${model.train}`)
      ? ['rgb', 'skeleton', 'both']
      : [model.name];
    expect(model.robust.map(({ on }) => on)).toEqual(targets);
    expect([model.n, model.attackedClean.n, ...model.robust.map(({ n }) => n)]).toEqual(
      Array(2 + targets.length).fill(4),
    );
  }
  expect(table).toContain('│ pgd2 depth ');
  expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('The video stream is a depth video');
});
