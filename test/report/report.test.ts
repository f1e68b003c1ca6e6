import { describe, expect, test } from 'vitest';
import { curvePoints, INPUT_UNITS } from '../../experiments/report/curves.ts';
import { renderReport } from '../../experiments/report/report.ts';
import { makeStudy } from '../../experiments/report/study.ts';
import type { Exhibit, Results } from '../../experiments/results.ts';
import {
  depthResults,
  equalResults,
  exhibit,
  figuresResults,
  naturalResults,
  overflowResults,
  skeletonResults,
} from './fixture.ts';

const VARIANTS: Readonly<Record<string, { results: Results; exhibits: Exhibit[] }>> = {
  figures: {
    results: figuresResults(),
    exhibits: [exhibit('amr-pgd', 'both', 3), exhibit('concat-pgd', 'rgb', 3)],
  },
  'depth video': { results: depthResults(), exhibits: [exhibit('amr-pgd', 'both', 1)] },
  '60 classes': { results: depthResults(60), exhibits: [] },
  'skeleton only': { results: skeletonResults(), exhibits: [exhibit('skeleton', 'skeleton', 0)] },
  'natural only': { results: naturalResults(), exhibits: [] },
  'what is no number': { results: overflowResults(), exhibits: [] },
  'read back from JSON': { results: JSON.parse(JSON.stringify(figuresResults())), exhibits: [] },
};

/** What a reader sees, without markup and style; runs of space as one. */
function visibleText(page: string): string {
  const text = page.replace(/<style>[\s\S]*?<\/style>/g, '').replace(/<[^>]*>/g, ' ');
  return text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/\s+/g, ' ');
}

/** The cells of the row of the main table that starts with `label`. */
function rowText(page: string, label: string): string {
  const rows = /<table class="main">([\s\S]*?)<\/table>/.exec(page)![1]!.split('</tr>').map(visibleText);
  return rows.find((row) => row.trim().startsWith(label))!.trim();
}

describe.each(Object.entries(VARIANTS))('a report of %s', (_, { results, exhibits }) => {
  const rendered = renderReport(results, exhibits);

  test('loads nothing from anywhere', async () => {
    const page = await rendered;
    const loaded = [...page.matchAll(/(?:src|href|srcset|poster|data|action)="([^"]*)"/g)].map((m) => m[1]!);
    expect(loaded.filter((url) => !/^(#|data:image\/png;base64,)/.test(url))).toEqual([]);
    expect(page.match(/url\(|@import|<script|<link|<iframe|<object/)).toBeNull();
    expect(/Security-Policy" content="default-src &#39;none&#39;/.test(page)).toBe(true);
  });

  test('has every link, tag and number whole', async () => {
    const page = await rendered;
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map((m) => m[1]));
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
    expect(page.match(/.{20}(NaN|undefined|Infinity|\[object|\bnull\b)/)).toBeNull();
    for (const tag of ['section', 'table', 'tr', 'td', 'svg', 'figure', 'div', 'p', 'dl', 'details']) {
      const open = page.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
      expect([tag, page.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0]).toEqual([tag, open]);
    }
  });

  test('describes every chart and picture', async () => {
    for (const [chart] of (await rendered).matchAll(/<svg class="chart"[^>]*>|<img[^>]*>/g)) {
      expect(chart).toMatch(/(aria-label|alt)="[^"]{10,}"/);
    }
  });

  test('names every network, attack and ε', async () => {
    const text = visibleText(await rendered);
    const attacks = new Set(results.models.flatMap((m) => m.robust.map((r) => r.attack)));
    for (const attack of attacks) expect(text).toContain(attack === 'fgsm' ? 'FGSM' : 'PGD-20');
    for (const { name, train } of results.models) {
      const first = name === 'rgb' && results.dataset.video === 'depth' ? 'depth' : name;
      const training = train === 'pgd' ? 'PGD-trained' : 'naturally trained';
      expect(text.toLowerCase()).toContain(`${first}, ${training}`.toLowerCase());
    }
    for (const { skeleton = 0 } of results.levels) expect(text).toContain(`${100 * skeleton} cm`);
  });

  test('is small, and the same string again', async () => {
    const page = await rendered;
    expect(page.length).toBeLessThan(2_000_000);
    expect((await renderReport(results, exhibits)) === page).toBe(true);
  });
});

test('the table gives accuracy, interval, n, RA, RI and balance', async () => {
  const page = await renderReport(figuresResults(), []);
  const defended = rowText(page, 'AMR, PGD-trained');
  expect(defended).toContain('1,096,330');
  expect(defended).toMatch(/85\.9 % 80\.3–90\.2 · n 192/); // 165 of 192, Wilson
  expect(defended).toMatch(/64\.6 % .* 68\.8 % .* 52\.1 % .* 61\.8 % \+45\.0 \/ \+11\.8 4\.2 \/ 0\.94/);
  expect(rowText(page, 'Concat, naturally trained')).toMatch(/8\.0 % – \/ −33\.2 21\.9 \/ 0\.05$/);
  expect(rowText(page, 'RGB, naturally trained')).toMatch(/n 96 – – – – –$/);
  expect(rowText(page, 'Linear, sum of both scores')).toMatch(/64\.6 % .* not attacked$/);
});

describe.each(['rgb', 'skeleton'] as const)('levels that are equal on %s', (modality) => {
  const results = equalResults(modality);
  const page = renderReport(results, []);
  const amr = results.models.at(-1)!;

  test('are told apart in the table', async () => {
    const [both] = amr.robust.filter((r) => r.attack === 'pgd20' && r.on === 'both' && r.level === 1);
    const percent = (100 * both!.accuracy).toFixed(1);
    expect(rowText(await page, 'AMR, PGD-trained')).toContain(`${percent} % `);
    expect(both!.accuracy).not.toBe(
      amr.robust.find((r) => r.attack === 'pgd20' && r.on === 'both')!.accuracy,
    );
  });

  test('are drawn where they are apart, and once where they are not', () => {
    const study = makeStudy(results);
    const places = (on: 'rgb' | 'skeleton' | 'both') =>
      curvePoints(study, study.networks[4]!, 'pgd20', on, INPUT_UNITS).map(({ x }) => +x.toFixed(6));
    const [ends, apart] =
      modality === 'rgb'
        ? [
            [0, 8],
            [0, 1, 2],
          ]
        : [
            [0, 2],
            [0, 4, 8],
          ];
    expect(places(modality)).toEqual(ends);
    expect(places('both')).toEqual(apart);
  });
});

test('curves start from the clean accuracy of the samples that are attacked', () => {
  const study = makeStudy(figuresResults());
  const [start] = curvePoints(study, study.networks[4]!, 'pgd20', 'both', INPUT_UNITS);
  const { accuracy, interval } = study.networks[4]!.model.attackedClean;
  expect(start).toMatchObject({ x: 0, y: accuracy, low: interval[0], high: interval[1] });
});

test('every figure says on how many samples it is', async () => {
  const text = visibleText(await renderReport(figuresResults(), []));
  expect(text).toContain('192 to test, 96 of them attacked');
  expect(text).toContain('PGD-trained AMR recognises 85.9 % of the 192 test samples');
  expect(text).toMatch(
    /recognises 81\.8 % of 192 test samples without an attack and 0\.0 % .* of the 96 attacked/,
  );
  expect(text).toMatch(/Nothing \(clean\) 192 0\.844 may be chance .* RGB and skeleton 96 0\.031 more than/);
});

test('subjects that were held out are told from those that were trained on', async () => {
  const heldOut = visibleText(await renderReport(figuresResults(), []));
  expect(heldOut).toMatch(/576 to train, 144 to validate.* Subjects to validate 3:/);
  expect(heldOut).not.toContain('fixed beforehand');
  const recorded = visibleText(await renderReport(skeletonResults(), []));
  expect(recorded).toMatch(/189 to train, 192 to test.* Subjects to train 3: bd, bk, dg .*fixed beforehand/);
  expect(recorded).not.toMatch(/validat|chosen/);
});

test('the main finding follows from the numbers', async () => {
  const found = visibleText(await renderReport(figuresResults(), []));
  expect(found).toContain(
    'PGD-trained AMR keeps the highest accuracy: 61.8 %, against 51.0 % for PGD-trained concat and 8.0 % for naturally trained concat.',
  );
  expect(found).toContain(
    'the difference from PGD-trained concat is more than chance explains (exact McNemar test, p = 0.031)',
  );
  const models = figuresResults().models.map((m) => (m.name === 'amr' ? { ...m, ra: 0.2 } : m));
  const other = visibleText(await renderReport({ ...figuresResults(), models }, []));
  expect(other).toContain(
    'PGD-trained concat keeps the highest accuracy: 51.0 %, against 20.0 % for PGD-trained AMR',
  );
});

test('a reconstruction and a depth video are called so', async () => {
  const depth = visibleText(await renderReport(depthResults(), []));
  expect(depth).toContain('AMR is shown as reconstructed from the abstract of arXiv 2407.19981');
  expect(depth).toContain('The video stream is a depth video, not RGB');
  expect(depth).toContain('Attack on depth');
  expect(depth).not.toContain('Attack on RGB');
  const skeleton = visibleText(await renderReport(skeletonResults(), []));
  expect(skeleton).not.toMatch(/reconstructed|depth video|Attack on RGB|Modality weights AMR/);
});

test('text is escaped and violations are shown', async () => {
  const page = await renderReport(naturalResults(), []);
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; · a &amp; b · &quot;quoted&quot;');
  expect(page).toMatch(/class="warning"[\s\S]*between ε = &lt;4\/255&gt; and 8\/255/);
  expect(page).not.toContain('No violation found');
  expect(await renderReport(figuresResults(), [])).toContain('No violation found');
});

test('markup in a class name stays text in charts and exhibits', async () => {
  const results = depthResults();
  const classes = results.dataset.classes.map((name, i) => (i === 3 ? '<script>alert("1")</script>' : name));
  const shown = { ...exhibit('amr-pgd', 'both', 1), label: '<script>', attackedPrediction: '<img src=x>' };
  const page = await renderReport({ ...results, dataset: { ...results.dataset, classes } }, [shown]);
  expect(page).not.toMatch(/<script|<img src=x/);
  expect(page).toContain('&lt;img src=x&gt;');
});

test('exhibits state the factor of the change and both predictions', async () => {
  const both = await renderReport(figuresResults(), [exhibit('amr-pgd', 'both', 3)]);
  const text = visibleText(both);
  expect(text).toContain('PGD-20 on RGB and skeleton, ε 8/255 + 2 cm');
  expect(text).toContain('Change × 15 grey: none; largest 8/255');
  expect(text).toMatch(/Change × \d+ a line for each joint; largest 2 cm/);
  expect(text).toMatch(/Seen clean wave right Seen attacked throw wrong/);
  expect(both.match(/data:image\/png/g)).toHaveLength(3);
  const rgbOnly = visibleText(await renderReport(figuresResults(), [exhibit('amr-pgd', 'rgb', 3)]));
  expect(rgbOnly).toContain('Skeleton, not attacked');
});

test('a lead that comes from one modality is said to', async () => {
  const base = figuresResults();
  const models = base.models.map((m) =>
    m.weights ? { ...m, weights: m.weights.map((w) => ({ ...w, clean: [0.2, 1.8] as const })) } : m,
  );
  const found = visibleText(await renderReport({ ...base, models }, []));
  expect(found).toMatch(
    /Attacked on RGB alone it keeps [\d.]+ %, on the skeleton alone [\d.]+ %: [\d.]+ points apart/,
  );
  expect(found).toMatch(/weighs the skeleton by 1\.80 of 2, so an attack on RGB hardly reaches it/);
  expect(visibleText(await renderReport(base, []))).not.toMatch(/hardly reaches it/);
});
