import { expect, test } from 'vitest';
import { depthwiseVariants } from '../../src/kernels/conv-depthwise.ts';
import { convVariants } from '../../src/kernels/conv-launch.ts';
import { patchesWin } from '../../src/kernels/conv-patches.ts';
import type { ConvShape } from '../../src/kernels/conv-shape.ts';
import { partsOf, winogradPlan, winogradWins } from '../../src/kernels/conv-winograd.ts';

const traits = { software: true, subgroups: true, subgroupMinSize: 4 };

/** A convolution with a 3×3 window over [batch, size, size, channels], padded to keep the size. */
function conv3x3(batch: number, size: number, channels: number, more: Partial<ConvShape> = {}): ConvShape {
  const plane = [1, size, size] as const;
  return {
    ...{ rank: 2, batch, channels, filters: channels, groups: 1, input: plane, output: plane },
    ...{ kernel: [1, 3, 3], stride: [1, 1, 1], dilation: [1, 1, 1], padding: [0, 1, 1] },
    ...more,
  };
}

/** A convolution with a window over [batch, ...size, channels] of so many planes, padded to keep the size. */
function conv3d(
  [batch, depth, height, width, channels]: readonly [number, number, number, number, number],
  more: Partial<ConvShape> = {},
): ConvShape {
  const size = [depth, height, width] as const;
  return {
    ...conv3x3(batch, 1, channels),
    ...{ rank: 3, input: size, output: size, kernel: [3, 3, 3], padding: [1, 1, 1] },
    ...more,
  };
}

test('minimal filtering comes first on software adapters where it saves more than it moves', () => {
  const first = (shape: ConvShape, software = true) =>
    convVariants(shape, 'forward', { ...traits, software })[0];
  for (const [size, channels] of [
    [56, 64],
    [28, 128],
    [14, 256],
    [7, 512],
  ] as const)
    expect(first(conv3x3(8, size, channels))).toBe('winograd');
  for (const size of [
    [2, 8, 28, 28, 32],
    [16, 8, 32, 24, 8],
    [16, 1, 4, 3, 32],
  ] as const)
    expect(first(conv3d(size))).toBe('winograd');
  expect(first(conv3x3(8, 56, 8))).toBe('winograd');
  expect(first(conv3x3(1, 4, 512))).toBe('quad');
  expect(first(conv3d([2, 2, 8, 6, 16]))).toBe('quad');
  expect(first(conv3d([2, 1, 4, 4, 512]))).toBe('largeQuad');
  expect(first(conv3x3(8, 56, 64), false)).toBe('largeQuad');
});

/** A convolution with nine taps along the second of three axes, padded to keep the size. */
function line(batch: number, length: number, channels: number, more: Partial<ConvShape> = {}): ConvShape {
  const size = [1, length, 25] as const;
  return conv3x3(batch, 1, channels, {
    ...{ input: size, output: size, kernel: [1, 9, 1], padding: [0, 4, 0] },
    ...more,
  });
}

test('minimal filtering of lines of nine and of weights comes first where it has been found to pay', () => {
  const wins = (shape: ConvShape, pass: 'forward' | 'weights', subgroupMinSize: number) =>
    winogradWins(shape, pass, { software: true, subgroupMinSize });
  for (const pass of ['forward', 'weights'] as const) {
    for (const shape of [line(8, 64, 64), line(8, 64, 128), conv3x3(8, 56, 64), conv3d([2, 8, 28, 28, 32])])
      expect([wins(shape, pass, 4), wins(shape, pass, 8)]).toEqual([true, true]);
    for (const shape of [line(2, 64, 32), line(16, 128, 16), conv3x3(16, 32, 16)])
      expect([wins(shape, pass, 4), wins(shape, pass, 8)]).toEqual([true, false]);
    expect(wins(line(4, 16, 16), pass, 4)).toBe(false);
    expect(winogradWins(line(8, 64, 128), pass, { software: false, subgroupMinSize: 32 })).toBe(false);
  }
});

test('nine taps along any one axis are a line along the height', () => {
  const cut = (more: Partial<ConvShape>) => winogradPlan(line(2, 30, 8, more), 'forward');
  const plan = { line: 1, tilesH: 3, padH: 4, padW: 0, xD: 1, xH: 30, yH: 30, rows: 150, planes: 150 };
  expect(cut({})).toMatchObject({ ...plan, tilesW: 25, xW: 25, tiles: 150 });
  const along = (axis: number) => {
    const [size, kernel, padding] = [
      [5, 5, 5],
      [1, 1, 1],
      [0, 0, 0],
    ];
    [size[axis], kernel[axis], padding[axis]] = [30, 9, 4];
    return { input: size, output: size, kernel, padding } as unknown as Partial<ConvShape>;
  };
  expect(cut(along(0))).toMatchObject({ ...plan, tilesW: 25, xW: 25 });
  expect(cut(along(1))).toMatchObject({ ...plan, tilesW: 5, xW: 5 });
  expect(cut(along(2))).toMatchObject({ ...plan, tilesW: 1, xW: 1 });
  const offers = (more: Partial<ConvShape>) =>
    convVariants(line(2, 30, 8, more), 'forward', traits).includes('winograd');
  expect(offers({})).toBe(true);
  expect(offers({ padding: [0, 4, 1], output: [1, 30, 27] })).toBe(false);
  expect(offers({ kernel: [1, 9, 9], padding: [0, 4, 4] })).toBe(false);
  expect(offers({ kernel: [1, 7, 1], padding: [0, 3, 0] })).toBe(false);
});

test('a plan is cut into runs of tiles that take 4 MiB, or what the filters take, and cover it', () => {
  const parts = partsOf(winogradPlan(conv3d([8, 4, 56, 56, 64]), 'forward'));
  expect(parts.length).toBeGreaterThan(10);
  let next = 0;
  for (const { firstTile, tiles, period, taps, rows, planes, yD } of parts) {
    expect(firstTile).toBe(next);
    next += tiles;
    expect([rows, planes]).toEqual([(tiles - 1) * period + yD, rows + taps - 1]);
    expect(4 * 36 * (planes + rows) * 64).toBeLessThan(4.1 * 2 ** 20);
  }
  expect(next).toBe(8 * 14 * 14);
  expect(partsOf(winogradPlan(conv3x3(8, 7, 512), 'forward'))).toHaveLength(1);
  expect(partsOf(winogradPlan(conv3x3(0, 7, 4), 'weights'))).toMatchObject([
    { tiles: 0, rows: 0, planes: 0 },
  ]);
});

test('minimal filtering is offered for 3×3 windows of any depth with stride 1 and whole vectors of channels only', () => {
  const offers = (more: Partial<ConvShape>) =>
    convVariants(conv3x3(8, 56, 64, more), 'forward', traits).includes('winograd');
  expect(offers({})).toBe(true);
  expect(offers({ stride: [1, 2, 2] })).toBe(false);
  expect(offers({ dilation: [1, 1, 2] })).toBe(false);
  expect(offers({ kernel: [1, 5, 3] })).toBe(false);
  expect(offers({ kernel: [3, 3, 3], padding: [1, 1, 1] })).toBe(true);
  expect(offers({ stride: [2, 1, 1] })).toBe(false);
  expect(offers({ batch: 256 })).toBe(true);
  expect(offers({ channels: 1024, filters: 1024 })).toBe(false); // more weights than a binding holds
  expect(offers({ channels: 66 })).toBe(false);
  expect(offers({ groups: 2 })).toBe(false);
});

/** Whether each output of each tile finds its planes of x in its row of the product, zeros elsewhere, and the product ends with the last. */
function isLaidOut(shape: ConvShape, direction: 'forward' | 'inputGrad'): boolean {
  const { tiles, period, planes, rows, taps, firstTap, xD, yD, padD } = winogradPlan(shape, direction);
  const forward = direction === 'forward';
  const last = shape.kernel[0] - 1;
  const pad = forward ? shape.padding[0] : last - shape.padding[0];
  const skipped = forward ? firstTap : last - firstTap;
  const ofX = (image: number, plane: number) => (plane >= 0 && plane < xD ? image * xD + plane : 'zeros');
  const laid = (at: number) => ofX(Math.floor(at / period), (at % period) - padD);
  const seen = (row: number, tap: number) => (tap >= 0 && tap < taps ? laid(row + tap) : 'zeros');
  const right = count(tiles).every((t) =>
    count(yD).every((d) =>
      count(last + 1).every((k) => seen(t * period + d, k - skipped) === ofX(t, d - pad + k)),
    ),
  );
  return right && rows === (tiles - 1) * period + yD && planes === rows + taps - 1;
}

const count = (n: number) => [...new Array(n).keys()];

test('the planes that an output sees lie behind one another, whatever the padding', () => {
  for (const kernel of [1, 2, 3, 5])
    for (const depth of [1, 2, 3, 6])
      for (const before of [0, 1, 2, 5])
        for (const after of [0, 1, 4]) {
          const output = depth + before + after - kernel + 1;
          if (output < 1) continue;
          const shape = conv3d([2, depth, 5, 3, 4], {
            ...{ output: [output, 5, 3], kernel: [kernel, 3, 3], padding: [before, 1, 1] },
          });
          const laidOut = [isLaidOut(shape, 'forward'), isLaidOut(shape, 'inputGrad')];
          expect([kernel, depth, before, after, ...laidOut]).toEqual([
            kernel,
            depth,
            before,
            after,
            true,
            true,
          ]);
        }
});

test('neighbouring tiles share the zeros between them, and taps that meet no input are left out', () => {
  const cut = (depth: number) => winogradPlan(conv3d([1, depth, 8, 8, 4]), 'forward');
  expect(cut(8)).toMatchObject({ tiles: 4, period: 9, rows: 35, planes: 37, taps: 3 });
  expect(cut(1)).toMatchObject({ tiles: 4, period: 1, rows: 4, planes: 4, taps: 1, firstTap: 1 });
  expect(winogradPlan(conv3x3(1, 8, 4), 'forward')).toMatchObject({ period: 1, rows: 4, planes: 4 });
});

test('room for one tile is asked for, however deep, and for the filters of a line as it is', () => {
  const offers = (shape: ConvShape) => convVariants(shape, 'forward', traits).includes('winograd');
  expect([offers(conv3d([1, 900, 4, 4, 512])), offers(conv3d([1, 2000, 4, 4, 512]))]).toEqual([true, false]);
  const along = { kernel: [9, 1, 1], padding: [4, 0, 0], input: [30, 2, 2], output: [30, 2, 2] } as const;
  expect(offers(conv3x3(1, 1, 512, along))).toBe(true);
  expect(offers(conv3x3(1, 1, 1024, along))).toBe(true);
  expect(offers(conv3x3(1, 1, 1280, along))).toBe(false);
});

test('a window of one that keeps the size is a product of matrices', () => {
  const one: Partial<ConvShape> = { kernel: [1, 1, 1], padding: [0, 0, 0] };
  const first = (more: Partial<ConvShape>) =>
    convVariants(conv3x3(8, 56, 64, { ...one, ...more }), 'inputGrad', traits)[0];
  expect(first({})).toBe('pointwise');
  expect(first({ padding: [0, 1, 1], output: [1, 58, 58] })).not.toBe('pointwise');
  expect(first({ groups: 2 })).not.toBe('pointwise');
  expect(first({ stride: [1, 2, 2], output: [1, 28, 28] })).not.toBe('pointwise');
});

test('windows of few channels are written out on software adapters where that has been found to pay', () => {
  const first = (
    what: 'forward' | 'inputGrad',
    more: Partial<ConvShape>,
    subgroupMinSize = 4,
    software = true,
  ) =>
    convVariants(conv3x3(4, 64, 3, { filters: 64, ...more }), what, {
      ...traits,
      software,
      subgroupMinSize,
    })[0];
  expect([first('forward', {}), first('inputGrad', {})]).toEqual(['largeQuad', 'patches']);
  expect(first('inputGrad', { filters: 16 })).toBe('patches');
  expect([first('forward', { filters: 16 }, 8), first('inputGrad', { filters: 16 }, 8)]).toEqual([
    'octet',
    'patches',
  ]);
  expect(first('forward', {}, 8)).toBe('patches');
  expect(first('forward', {}, 8, false)).not.toBe('patches');
  const weights = (filters: number, subgroupMinSize: number) =>
    patchesWin(conv3x3(4, 64, 3, { filters }), 'weights', { software: true, subgroupMinSize });
  expect([weights(64, 4), weights(63, 4), weights(64, 8)]).toEqual([true, false, false]);
  for (const more of [{ channels: 4 }, { dilation: [1, 1, 2] }, { batch: 4096 }] as const)
    expect(first('inputGrad', more)).not.toBe('patches');
});

test('a depthwise 3×3 slides down columns on software adapters where its stride is 1', () => {
  const shape = conv3x3(8, 56, 128, { groups: 128 });
  expect(depthwiseVariants(shape, { software: true })).toEqual(['slide', 'quads']);
  expect(depthwiseVariants(shape, { software: false })).toEqual(['quads', 'slide']);
  expect(depthwiseVariants({ ...shape, stride: [1, 2, 2] }, { software: true })).toEqual(['quads']);
  expect(depthwiseVariants({ ...shape, kernel: [3, 3, 3] }, { software: true })).toEqual(['quads']);
});
