// Files that would make the reader work or hold more than in proportion to their size.
import { describe, expect, test } from 'vitest';
import { decodeTorch } from '../../src/formats/torch-file.ts';
import {
  dict,
  floats,
  global,
  int,
  list,
  NONE,
  refusal,
  state,
  str,
  tensor,
  tuple,
  zipFile,
} from './pickle-tools.ts';

const w = floats('0', 1, 2, 3, 4, 5, 6);
const one = tensor(w, [2, 3], [3, 1]);
describe('what is refused', () => {
  test('containers nested too deep, or around themselves', async () => {
    const deep = [...new Array<number>(50).fill(0x5d), ...new Array<number>(49).fill(0x61)];
    expect(await refusal(zipFile(deep, []))).toContain('nested more than 32 deep');
    const itself = [0x5d, 0x71, 0, 0x68, 0, 0x61];
    expect(await refusal(zipFile(itself, []))).toContain('nested more than 32 deep');
  });

  test('lists that double at every level', async () => {
    const twice = (slot: number) => [0x5d, 0x28, 0x68, slot - 1, 0x68, slot - 1, 0x65, 0x71, slot, 0x30];
    const levels = Array.from({ length: 28 }, (_, i) => twice(i + 1)).flat();
    const bomb = [0x5d, 0x71, 0, 0x30, ...levels, 0x68, 28];
    expect(await refusal(zipFile(bomb, []))).toContain('hold each other too many times');
  });

  test('a long key above a list of many references to one tensor', async () => {
    const many = [...new Array<number[]>(1000).fill([0x68, 1])];
    const remembered = [...tensor(w, [2], [1]), 0x71, 1, 0x30];
    const bomb = [...remembered, ...dict([str('k'.repeat(100_000)), list(...many)])];
    expect(await refusal(zipFile(bomb, [w]))).toContain('names of its tensors are too long together');
  });

  test('one dictionary under thousands of keys is looked at once', async () => {
    const keys = Array.from({ length: 20_000 }, (_, i): [number[], number[]] => [int(i), [0x68, 1]]);
    const inner = dict(...keys.map(([key]): [number[], number[]] => [key, int(1)]));
    const began = performance.now();
    const file = zipFile([...inner, 0x71, 1, 0x30, ...dict(...keys)], []);
    await decodeTorch(file, 'x.pth').catch(() => undefined);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test('long lists of numbers beside the weights are no names', async () => {
    const many = list(...Array.from({ length: 50_000 }, (_, i) => int(i)));
    const file = zipFile(dict([str('model'), state(['w', one])], [str('x'.repeat(99)), many]), [w]);
    expect([...(await decodeTorch(file, 'x.pth', { root: '' })).keys()]).toEqual(['model.w']);
  });

  test.each<[string, number[]]>([
    ['OrderedDict', global('collections', 'OrderedDict')],
    ['torch.Size', global('torch', 'Size')],
  ])('a list that %s is called with again and again', async (name, callable) => {
    const item = name === 'OrderedDict' ? (i: number) => tuple(int(i), int(1)) : int;
    const items = Array.from({ length: 3000 }, (_, i) => item(i));
    const begin = [...tuple(list(...items)), 0x71, 0, 0x30, ...callable, 0x71, 1, 0x30];
    const calls = new Array<number[]>(3000).fill([0x68, 1, 0x68, 0, 0x52, 0x30]).flat();
    expect(await refusal(zipFile([...begin, ...calls, ...NONE], []))).toContain(
      'lists are read too many times',
    );
  });

  test('copies that together are larger than the file', async () => {
    const large = floats('0', ...new Array<number>(20_000).fill(1));
    const columns = Array.from({ length: 30 }, (_, i): [string, number[]] => [
      `${i}`,
      tensor(large, [100, 200], [1, 100]),
    ]);
    expect(await refusal(zipFile(state(...columns), [large]))).toContain('repeats the elements');
  });
});
