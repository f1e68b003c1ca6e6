import { afterAll, beforeAll, expect, test } from 'vitest';
import { reflect } from '../../scripts/reflect.ts';
import { KernelError } from '../../src/errors.ts';
import { add } from '../../src/kernels/elementwise.ts';
import { run } from '../../src/kernels/run.ts';
import { elementwiseFillWgsl } from '../../src/kernels/wgsl.gen.ts';
import type { Device } from '../../src/tensor/device.ts';
import type { ShaderFile, Specialization } from '../../src/tensor/pipelines.ts';
import { openTestDevice } from '../open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const BROKEN = `// doubles
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn double(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < p.count) {
    y[id.x] = 2.0 * mystery;
  }
}
`;
const broken = reflect('broken.wgsl', BROKEN) as ShaderFile;

function launchBroken(): void {
  const y = device.tensor([1, 2]);
  run(broken, 'double', { y }, { count: 2 }, { groups: 1 });
}

async function nextError(): Promise<unknown> {
  return device.idle().then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('a shader that does not compile is thrown at the next await, with file, line, column and the line', async () => {
  launchBroken();
  const error = (await nextError()) as KernelError;
  expect(error).toBeInstanceOf(KernelError);
  expect(error.op).toBe('broken.wgsl:double');
  const [first, line] = error.message.split('\n');
  expect(first).toMatch(/^broken\.wgsl:double: broken\.wgsl:8:21: .*mystery/);
  expect(line?.trim()).toBe('y[id.x] = 2.0 * mystery;');
});

test('it is thrown again at the next use, and the device works on', async () => {
  launchBroken();
  expect(String(await nextError())).toContain('broken.wgsl:8:21');
  launchBroken();
  expect(String(await nextError())).toContain('broken.wgsl:8:21');
  expect(await nextError()).toBeUndefined();
  expect(await add(device.tensor([1, 2]), 1).read()).toEqual(Float32Array.of(2, 3));
});

test('a read reports what an earlier launch did wrong', async () => {
  const y = device.tensor([1, 2]);
  run(broken, 'double', { y }, { count: 2 }, { groups: 1 });
  await expect(y.read()).rejects.toThrow(KernelError);
});

test('a constant the pipeline refuses is named', async () => {
  const text = BROKEN.replace('2.0 * mystery', 'f32(SIZE)')
    .replace('(64)', '(SIZE)')
    .replace('// doubles', 'override SIZE: u32 = 64;');
  const sized = reflect('sized.wgsl', text) as ShaderFile;
  const y = device.tensor([1, 2]);
  run(sized, 'double', { y }, { count: 2 }, { groups: 1, constants: { SIZE: 1_000_000 } });
  const error = await nextError();
  expect(error).toBeInstanceOf(KernelError);
  expect(String(error)).toMatch(/sized\.wgsl:double: .*1000000/s);
});

test('entries, lines and params that the shader does not have are errors at once', () => {
  const out = device.tensor([1]);
  const get = (entry: string, specialization: Specialization) => () =>
    device.pipelines.get({ shader: broken, entry, specialization });
  expect(get('triple', {})).toThrow(new KernelError('broken.wgsl', "has no entry point 'triple'"));
  expect(get('double', { lines: { TILE: 2 } })).toThrow(
    new KernelError('broken.wgsl', "has no replaceable line 'TILE'"),
  );
  const params = { count: 1 } as unknown as { count: number; value: number };
  expect(() => run(elementwiseFillWgsl, 'fill', { out }, params, { groups: 1 })).toThrow(
    new KernelError('elementwise-fill.wgsl:fill', "param 'value' is missing"),
  );
});

test('reads that overlap all report it', async () => {
  for (let round = 0; round < 20; round++) {
    const y = device.tensor([1, 2]);
    run(broken, 'double', { y }, { count: 2 }, { groups: 1 });
    const outcomes = await Promise.allSettled([y.read(), y.read(), device.idle()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await nextError()).toBeUndefined();
  }
});
