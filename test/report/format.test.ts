import { expect, test } from 'vitest';
import {
  attackName,
  budgetText,
  epsilon,
  integer,
  interval,
  percent,
  points,
  pValue,
} from '../../experiments/report/format.ts';

test.each([
  [percent(0.5117), '51.2\u00a0%'],
  [percent(1), '100.0\u00a0%'],
  [interval([0.44, 0.5849]), '44.0–58.5'],
  [points(0.109), '+10.9'],
  [points(-0.2), '−20.0'],
  [points(-0.0001), '0.0'],
  [epsilon('rgb', 8 / 255), '8/255'],
  [epsilon('rgb', 2.5 / 255), '2.5/255'],
  [epsilon('skeleton', 0.02), '2\u00a0cm'],
  [epsilon('skeleton', 0.0025), '0.25\u00a0cm'],
  [budgetText({ skeleton: 0.02, rgb: 8 / 255 }), '8/255 + 2\u00a0cm'],
  [budgetText({ skeleton: 0.02 }), '2\u00a0cm'],
  [integer(1_096_330), '1,096,330'],
  [integer(999), '999'],
  [attackName('pgd20'), 'PGD-20'],
  [attackName('fgsm'), 'FGSM'],
  [pValue(0.0312), '0.031'],
  [pValue(1e-12), '< 0.001'],
])('%s', (text, expected) => {
  expect(text).toBe(expected);
});
