import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeviceError } from '../../src/errors.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { reshape } from '../../src/kernels/layout.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const make = () => device.tensor([1, 2, 3]);
const disposed = (...tensors: readonly (Tensor | undefined)[]) => tensors.map((tensor) => tensor?.disposed);

describe('what a scope frees', () => {
  test('what was made in it, but not its result and not what was there before', () => {
    const outside = make();
    const made: Tensor[] = [];
    const result = device.scope(() => {
      made.push(make(), add(outside, 1));
      return add(made[1] as Tensor, 1);
    });
    expect(disposed(outside, result, ...made)).toEqual([false, false, true, true]);
  });

  test('tensors in arrays, objects, maps and sets survive, however deep', () => {
    const lost: Tensor[] = [];
    const result = device.scope(() => {
      lost.push(make());
      return {
        list: [make(), { deep: make() }],
        map: new Map([['m', make()]]),
        set: new Set([make()]),
        n: 3,
      };
    });
    const [first, { deep }] = result.list as [Tensor, { deep: Tensor }];
    expect(disposed(first, deep, result.map.get('m'), ...result.set)).toEqual([false, false, false, false]);
    expect(disposed(...lost)).toEqual([true]);
  });

  test('a result that is a view keeps the memory of what it views', async () => {
    const live = device.memory().live;
    const view = device.scope(() => reshape(make(), [3, 1]));
    expect(await view.read()).toEqual(Float32Array.of(1, 2, 3));
    view.dispose();
    expect(device.memory().live).toBe(live);
  });

  test('an exception frees everything', () => {
    const live = device.memory().live;
    const fail = () => {
      make();
      throw new RangeError('mine');
    };
    expect(() => device.scope(fail)).toThrow(new RangeError('mine'));
    expect(device.memory().live).toBe(live);
  });

  test('keep takes a tensor out of every scope', () => {
    const kept = device.scope(() => {
      device.scope(() => void device.keep(make()));
      const tensor = device.scope(() => [device.keep(make())])[0] as Tensor;
      return () => tensor;
    })();
    expect(disposed(kept)).toEqual([false]);
  });
});

describe('nesting', () => {
  test('the result of an inner scope belongs to the outer one', () => {
    const seen: Tensor[] = [];
    device.scope(() => {
      seen.push(device.scope(() => make()));
      expect(disposed(...seen)).toEqual([false]);
    });
    expect(disposed(...seen)).toEqual([true]);
  });

  test('what an inner scope frees is freed once', () => {
    const live = device.memory().live;
    device.scope(() => {
      device.scope(() => make().dispose());
      device.scope(() => void make());
    });
    expect(device.memory().live).toBe(live);
  });

  test('after an exception in an inner scope the outer one still frees', () => {
    const live = device.memory().live;
    device.scope(() => {
      make();
      expect(() =>
        device.scope(() => {
          throw new Error('inner');
        }),
      ).toThrow('inner');
      make();
    });
    expect(device.memory().live).toBe(live);
  });
});

describe('async', () => {
  test('frees when the promise settles', async () => {
    const made: Tensor[] = [];
    const result = await device.scope(async () => {
      made.push(make());
      await device.idle();
      expect(disposed(...made)).toEqual([false]);
      made.push(make());
      return { kept: add(made[1] as Tensor, 1) };
    });
    expect(disposed(result.kept, ...made)).toEqual([false, true, true]);
  });

  test('frees when the promise rejects', async () => {
    const live = device.memory().live;
    const work = device.scope(async () => {
      make();
      await device.idle();
      throw new RangeError('later');
    });
    await expect(work).rejects.toThrow(new RangeError('later'));
    expect(device.memory().live).toBe(live);
  });

  test('scopes that overlap are an error, and the next scope works again', async () => {
    const live = device.memory().live;
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const outer = device.scope(async () => {
      make();
      await device.idle();
    });
    const inner = device.scope(async () => {
      make();
      await gate;
    });
    await expect(outer).rejects.toThrow(DeviceError);
    await expect(outer).rejects.toThrow(/asynchronous scopes of one device overlap/);
    open();
    await inner;
    device.scope(() => void make());
    expect(device.memory().live).toBe(live);
  });

  test('async scopes one after the other and one inside the other are fine', async () => {
    const live = device.memory().live;
    await device.scope(async () => {
      await device.scope(async () => void (await make().read()));
      await device.scope(async () => void (await make().read()));
    });
    expect(device.memory().live).toBe(live);
  });
});
