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

  test('and a name in place of the action, or nothing to profile, is said so', async () => {
    expect(() => (device.scope as (...given: unknown[]) => void)('mine', () => 1)).toThrow(
      'scope: needs a function, then perhaps a name; got the text "mine"',
    );
    await expect(device.profile(undefined as never)).rejects.toThrow(
      'profile: needs a function; got undefined',
    );
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

  test('tensors in objects of any class survive; private fields are for keep', () => {
    class Holder {
      readonly list = [make()];
      readonly inner = Object.assign(Object.create(null), { tensor: make() });
      readonly #hidden = device.keep(make());
      get hidden() {
        return this.#hidden;
      }
    }
    const { list, inner, hidden } = device.scope(() => new Holder());
    expect(disposed(...list, inner.tensor, hidden)).toEqual([false, false, false]);
    const key = [...device.scope(() => new Map([[make(), 1]])).keys()];
    expect(disposed(...key)).toEqual([false]);
  });

  test('results that are large, deep, cyclic or of no use to search are fine', () => {
    const lost: Tensor[] = [];
    const cyclic: { self?: unknown; tensor?: Tensor } = {};
    let deep: unknown = make();
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const found = device.scope(() => {
      lost.push(make());
      Object.assign(cyclic, { self: [cyclic], tensor: make(), device, deep });
      return { cyclic, bytes: new Uint8Array(1e6), call: () => 1, at: new Date(), none: null };
    });
    expect(disposed(found.cyclic.tensor, ...lost)).toEqual([false, true]);
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

  test('an error of the function is the cause of the one about the overlap', async () => {
    const mine = new RangeError('mine');
    const outer = device.scope(async () => {
      await device.idle();
      throw mine;
    });
    const inner = device.scope(async () => {
      await outer.catch(() => {});
    });
    const error = await outer.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DeviceError);
    expect((error as DeviceError).cause).toBe(mine);
    await inner;
  });

  test('release frees before the end of the scope, but nothing that was kept', () => {
    const outside = make();
    device.scope(() => {
      const [early, kept] = [make(), device.keep(make())];
      for (const tensor of [outside, early, kept]) device.release(tensor);
      expect(disposed(outside, early, kept)).toEqual([false, true, false]);
      kept.dispose();
    });
    outside.dispose();
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

describe('memory by scope', () => {
  const bytes = (n: number) => device.allocate([n / 4], 'f32', 'test');

  test('what open scopes own, the most they came to, and what is in none', async () => {
    const fresh = await openTestDevice();
    const take = (n: number) => fresh.allocate([n / 4], 'f32', 'test');
    const kept = take(1024);
    fresh.scope(() => {
      take(2048);
      const inner = fresh.scope(() => {
        take(8192);
        return take(4096);
      }, 'inner');
      expect(fresh.memory().scopes).toEqual({
        outer: { live: 2048 + 4096, peak: 2048 + 8192 + 4096 },
        inner: { live: 0, peak: 8192 + 4096 },
      });
      inner.dispose();
      fresh.scope(() => void take(512)); // unnamed: counts to the scope around it
      expect(fresh.memory()).toMatchObject({ outside: 1024, scopes: { outer: { live: 2048 } } });
    }, 'outer');
    expect(fresh.memory().scopes).toEqual({
      outer: { live: 0, peak: 2048 + 8192 + 4096 },
      inner: { live: 0, peak: 8192 + 4096 },
    });
    expect(fresh.memory()).toMatchObject({ live: 1024, outside: 1024, peak: 1024 + 2048 + 8192 + 4096 });
    kept.dispose();
    fresh.dispose();
  });

  test('views of one memory count once, for the outermost scope', () => {
    device.scope(() => {
      const x = bytes(4096);
      device.scope(() => {
        reshape(x, [32, 32]);
        expect(device.memory().scopes).toMatchObject({ holder: { live: 4096 }, viewer: { live: 0 } });
      }, 'viewer');
    }, 'holder');
  });

  test('a scope that throws is counted too', () => {
    const fail = () => {
      bytes(65_536);
      throw new Error('no');
    };
    expect(() => device.scope(fail, 'failing')).toThrow('no');
    expect(device.memory().scopes.failing).toEqual({ live: 0, peak: 65_536 });
  });
});
