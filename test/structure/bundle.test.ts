import { expect, test } from 'vitest';
import { IMPORTS, measureSizes } from '../../scripts/size.ts';

/** gzip bytes that no change may go beyond unnoticed. Raise a number only with a reason in the commit. */
const BUDGET: Readonly<Record<string, number>> = {
  all: 153_200,
  'core: tensors, kernels, autograd': 90_000,
  'conv2d and relu': 49_100,
  'matmul and softmax': 36_700,
  'train a perceptron': 44_100,
  'attack a network': 66_200,
  'two-stream with AMR': 89_700,
};

test('what people import stays within its budget, and a part is smaller than the whole', async () => {
  const sizes = await measureSizes();
  expect(Object.keys(sizes)).toEqual(Object.keys(IMPORTS));
  const over = Object.entries(sizes).filter(([name, { gzip }]) => gzip > (BUDGET[name] ?? 0));
  expect(over).toEqual([]);
  for (const [name, { min, gzip }] of Object.entries(sizes)) {
    expect(gzip).toBeLessThan(min);
    if (name !== 'all') expect(min).toBeLessThan(sizes.all?.min ?? 0);
  }
  // A bundle of one op holds its own shaders only.
  expect(sizes['conv2d and relu']?.gzip).toBeLessThan(0.5 * (sizes.all?.gzip ?? 0));
});
