import { afterAll, beforeAll, expect, test } from 'vitest';
import { PgdAttack } from '../../src/attacks/pgd-attack.ts';
import { valueAndGrad } from '../../src/autograd/grad.ts';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear, Relu, Sequential } from '../../src/nn/layers.ts';
import { EVALUATION } from '../../src/nn/module.ts';
import { AdamW } from '../../src/nn/optimisers.ts';
import { capture } from '../../src/tensor/capture.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

const STEPS = 1000;

let device: Device;
let network: Sequential;
let x: Tensor;
let labels: Tensor;
beforeAll(async () => {
  device = await openTestDevice();
  const init = new Initialiser(device, 1);
  network = new Sequential(
    new Linear(init, { in: 6, out: 8 }),
    new Relu(),
    new Linear(init, { in: 8, out: 2 }),
  );
  x = device.tensor(
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    [4, 6],
  );
  labels = device.tensor(Int32Array.of(0, 1, 1, 0));
});
afterAll(() => device.dispose());

const lossOf = (input: Tensor, truth: Tensor) => crossEntropy(network.forward(input, EVALUATION), truth);

/** Bytes alive, and alive or held for reuse, after each of `STEPS` calls; the first six fill the pool. */
async function bytesAfter(step: (i: number) => Promise<unknown> | undefined) {
  const live = new Set<number>();
  const held = new Set<number>();
  for (let i = 0; i < STEPS + 6; i++) {
    await step(i);
    const memory = device.memory();
    if (i >= 6) live.add(memory.live);
    if (i >= 6) held.add(memory.live + memory.pooled);
  }
  return { live: [...live], held: [...held] };
}

test('1,000 training steps, four in five of them captured, keep memory where it is', async () => {
  const before = device.memory().live;
  const optimiser = new AdamW(network.namedParameters());
  const update = (input: Tensor, truth: Tensor) => {
    const { value, grads } = valueAndGrad(() => lossOf(input, truth), network.parameters());
    optimiser.apply(grads);
    return value;
  };
  const captured = capture(update);
  const losses: number[] = [];
  const { live, held } = await bytesAfter((i) =>
    device.scope(() => {
      optimiser.prepare(1e-2);
      const loss = (i % 5 === 0 ? update : captured)(x, labels);
      return i % 100 === 0 ? loss.item().then((value) => losses.push(value)) : undefined;
    }),
  );
  expect(live).toHaveLength(1);
  expect(held).toHaveLength(1);
  expect(losses.at(-1)).toBeLessThan(0.1 * (losses[0] as number)); // they did train
  captured.dispose();
  optimiser.dispose();
  expect(device.memory().live).toBe(before);
});

test('1,000 attack steps, four in five of them captured, keep memory where it is', async () => {
  const before = device.memory().live;
  const loss = ([input]: readonly Tensor[], [truth]: readonly Tensor[]) =>
    lossOf(input as Tensor, truth as Tensor);
  const budget = { epsilon: 0.1, stepSize: 0.05 };
  const attacks = [true, false].map((captured) => new PgdAttack(loss, [budget], { captured }));
  let last = 0;
  const { live, held } = await bytesAfter((i) =>
    device.scope(() => {
      const [moved] = (attacks[Number(i % 5 === 0)] as PgdAttack<Tensor>).run([x], [labels], {
        steps: 1,
        seed: i,
      });
      return i % 100 === 0 ? moved?.read().then((data) => (last = data[0] as number)) : undefined;
    }),
  );
  expect(live).toHaveLength(1);
  expect(held).toHaveLength(1);
  expect(last).not.toBe(0);
  for (const attack of attacks) attack.dispose();
  expect(device.memory().live).toBe(before);
});
