import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { ShapeError } from '../../src/errors.ts';
import { conv1d, conv2d, conv3d } from '../../src/kernels/conv.ts';
import { mul } from '../../src/kernels/elementwise.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Conv1d, Conv2d, Conv3d, Dropout, GraphConv, Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { EVALUATION, Layer, type Mode } from '../../src/nn/module.ts';
import { Sgd } from '../../src/nn/optimisers.ts';
import { Residual } from '../../src/nn/residual.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';
import { bits, expectClose, numbers, values } from './tools.ts';

let device: Device;
let init: Initialiser;
beforeAll(async () => {
  device = await openTestDevice({ poison: true });
  init = new Initialiser(device, 1);
});
afterAll(() => device.dispose());

function tensor(shape: readonly number[], seed = 1): Tensor {
  return device.tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  );
}

describe('Linear', () => {
  test('is x W + b over the last axis of any rank', async () => {
    const layer = new Linear(init, { in: 3, out: 2 });
    device.write(layer.weight, Float32Array.of(1, 2, 3, 4, 5, 6));
    device.write(layer.bias as Tensor, Float32Array.of(10, 20));
    const y = layer.forward(device.tensor([1, 0, -1, 0, 2, 0], [1, 2, 3]));
    expect(y.shape).toEqual([1, 2, 2]);
    expect(await values(y)).toEqual([6, 16, 16, 28]);
  });

  test('starts at zero when asked, and has no bias when told so', async () => {
    const zero = new Linear(init, { in: 3, out: 2, zero: true });
    expect(await values(zero.forward(tensor([4, 3])))).toEqual(new Array(8).fill(0));
    expect([...new Linear(init, { in: 3, out: 2, bias: false }).namedParameters().keys()]).toEqual([
      'weight',
    ]);
  });
});

describe('convolution layers', () => {
  test.each([
    ['Conv1d', Conv1d, conv1d, [2, 7, 4], [3], [2]],
    ['Conv2d', Conv2d, conv2d, [2, 6, 5, 4], [3, 5], [2, 1]],
    ['Conv3d', Conv3d, conv3d, [1, 4, 5, 6, 4], [3, 1, 5], [1, 2, 2]],
  ] as const)('%s hands its weights and geometry to the op', async (_, Conv, op, shape, kernel, stride) => {
    const layer = new Conv(init, { in: 4, out: 6, kernel, stride, groups: 2, bias: true });
    expect(layer.weight.shape).toEqual([...kernel, 2, 6]);
    device.write(layer.bias as Tensor, numbers(6, 5));
    const x = tensor(shape);
    const padding = kernel.map((k) => (k - 1) / 2);
    const expected = op(x, layer.weight, { stride, padding, groups: 2, bias: layer.bias });
    expect(await bits(layer.forward(x))).toEqual(await bits(expected));
  });

  test.each([1, 2, 3])('keep the size at stride 1 with dilation %i', (dilation) => {
    const layer = new Conv2d(init, { in: 2, out: 3, kernel: [3, 5], dilation: [dilation, dilation] });
    expect(layer.forward(tensor([1, 13, 14, 2])).shape).toEqual([1, 13, 14, 3]);
  });

  test('take the padding given', () => {
    const layer = new Conv1d(init, { in: 2, out: 3, kernel: [3], padding: [0] });
    expect(layer.forward(tensor([1, 5, 2])).shape).toEqual([1, 3, 3]);
  });

  test('refuse a kernel of another rank', () => {
    expect(() => new Conv3d(init, { in: 1, out: 1, kernel: [3, 3] })).toThrow(ShapeError);
    expect(() => new Conv3d(init, { in: 1, out: 1, kernel: [3, 3] })).toThrow('Conv3d: kernel needs 3 sizes');
  });
});

describe('GraphConv', () => {
  const adjacency = Float32Array.of(1, 0, 0, 0, 0.5, 0.5, 0.25, 0, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0);
  const made = () => new GraphConv(init, { in: 2, out: 4, adjacency, joints: 3 });

  test('sums over partitions and joints', async () => {
    const layer = made();
    device.write(layer.bias, numbers(4, 8));
    const x = tensor([2, 2, 3, 2], 4);
    const [w, data] = [await values(layer.weight), await values(x)];
    const expected: number[] = [];
    for (let row = 0; row < 4; row++) {
      for (let v = 0; v < 3; v++) {
        for (let o = 0; o < 4; o++) {
          let y = numbers(4, 8)[o] ?? 0;
          for (let p = 0; p < 2; p++)
            for (let u = 0; u < 3; u++)
              for (let c = 0; c < 2; c++)
                y +=
                  (adjacency[(p * 3 + u) * 3 + v] ?? 0) *
                  (data[(row * 3 + u) * 2 + c] ?? 0) *
                  (w[(p * 2 + c) * 4 + o] ?? 0);
          expected.push(y);
        }
      }
    }
    await expectClose(layer.forward(x), expected);
  });

  test('learns the importance of edges, but no edge that the skeleton lacks', async () => {
    const layer = made();
    const [x, target] = [tensor([2, 2, 3, 2], 4), tensor([2, 2, 3, 4], 5)];
    const before = await values(layer.forward(x));
    const { grads } = valueAndGrad(() => sum(mul(layer.forward(x), target)), layer.parameters());
    new Sgd(new Map([['mask', layer.mask]])).step([grads[2] as Tensor], 0.1);
    const after = await values(layer.forward(x));
    expect([...after]).not.toEqual([...before]);
    const moved = (await values(x)).map((value, i) => (Math.floor(i / 2) % 3 === 0 ? value + 1 : value));
    const changed = await values(layer.forward(device.tensor(moved, x.shape)));
    const joints = new Set([...changed].flatMap((y, i) => (y === after[i] ? [] : [Math.floor(i / 4) % 3])));
    expect(joints).toEqual(new Set([0]));
  });

  test('saves its adjacency, but does not train it', () => {
    expect([...made().namedParameters().keys()]).toEqual(['weight', 'bias', 'mask']);
    expect([...made().namedBuffers().keys()]).toEqual(['adjacency']);
  });
});

describe('Dropout', () => {
  const training = (seed: number): Mode => ({ training: true, seed });

  test('passes the input on in evaluation and at rate 0', () => {
    const x = tensor([10]);
    expect(new Dropout(0.5, 1).forward(x, EVALUATION)).toBe(x);
    expect(new Dropout(0, 1).forward(x, training(1))).toBe(x);
  });

  test('drops its share in training and scales what stays', async () => {
    const x = device.tensor(new Float32Array(20000).fill(3));
    const y = await new Dropout(0.25, 1).forward(x, training(1)).read();
    expect(new Set(y)).toEqual(new Set([0, 4]));
    const dropped = y.filter((value) => value === 0).length / y.length;
    expect(Math.abs(dropped - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / y.length));
  });

  test('draws by seed and stream', async () => {
    const x = device.tensor(new Float32Array(64).fill(1));
    const draw = (stream: number, seed: number) => bits(new Dropout(0.5, stream).forward(x, training(seed)));
    expect(await draw(1, 1)).toEqual(await draw(1, 1));
    expect(await draw(1, 2)).not.toEqual(await draw(1, 1));
    expect(await draw(2, 1)).not.toEqual(await draw(1, 1));
  });
});

class Affine extends Layer {
  readonly scale: number;
  readonly modes: Mode[] = [];
  constructor(scale: number) {
    super();
    this.scale = scale;
  }
  forward(x: Tensor, mode: Mode): Tensor {
    this.modes.push(mode);
    return mul(x, this.scale);
  }
}

test('Relu is max(x, 0)', async () => {
  expect(await values(new Relu().forward(device.tensor([-1, 0, 2])))).toEqual([0, 0, 2]);
});

test('Sequential runs its layers in order and hands on the mode', async () => {
  const [negate, double] = [new Affine(-1), new Affine(2)];
  const mode = { training: true, seed: 5 };
  const y = new Sequential(negate, new Relu(), double).forward(device.tensor([-3, 4]), mode);
  expect(await values(y)).toEqual([6, 0]);
  expect([negate.modes, double.modes]).toEqual([[mode], [mode]]);
  const x = tensor([2]);
  expect(new Sequential().forward(x, mode)).toBe(x);
});

test('Residual is relu(main + shortcut), the input itself without a shortcut', async () => {
  const x = device.tensor([1, -1]);
  const own = new Residual(new Affine(-3)).forward(x, EVALUATION);
  expect(await values(own)).toEqual([0, 2]);
  const shortcut = new Residual(new Affine(-3), new Affine(5)).forward(x, EVALUATION);
  expect(await values(shortcut)).toEqual([2, 0]);
});
