import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readOptions, select } from '../../bench/peers/options.ts';
import { LibraryProcess } from '../../bench/peers/process.ts';
import { PEERS } from '../../bench/peers/protocol.ts';
import { WORKLOADS } from '../../bench/peers/workloads.ts';
import { runScript } from './run.ts';

// Commander prints what it throws.
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(() => void vi.restoreAllMocks());

describe('the command line', () => {
  it('is read', () => {
    const args = ['--adapter lavapipe --rounds 3 --json a.json'.split(' '), '--only', 'matmul, sum'];
    expect(readOptions(args.flat())).toEqual({
      ...{ adapter: 'lavapipe', only: ['matmul', 'sum'], peers: PEERS, rounds: 3, json: 'a.json' },
      ...{ resume: false, write: false },
    });
    expect(readOptions([])).toMatchObject({ adapter: 'auto', only: [], rounds: 5, json: undefined });
    expect(readOptions(['--resume', '--json', 'a.json'])).toMatchObject({ resume: true, json: 'a.json' });
  });

  it('starts the peers it names, in the order of the table', () => {
    const peers = (...args: string[]) => readOptions(args).peers;
    expect(peers()).toEqual(['jaxjs', 'tfjs', 'ort']);
    expect(peers('--peer', 'tfjs')).toEqual(['tfjs']);
    expect(peers('--peer', 'ort, jaxjs')).toEqual(['jaxjs', 'ort']);
    expect(peers('--peer', 'ort', '--peer', 'tfjs', '--peer', 'ort')).toEqual(['tfjs', 'ort']);
    expect(peers('--write', '--peer', 'ort,tfjs,jaxjs')).toEqual(['jaxjs', 'tfjs', 'ort']);
  });

  it.each([
    [['--adapter', 'cuda'], /'cuda' is invalid/],
    [['--rounds', '0'], /'0' is invalid. needs a whole number/],
    [['--fast'], /unknown option '--fast'/],
    [['--json', '/nosuch/x.json'], /'\/nosuch\/x.json' is invalid. there is no folder \/nosuch/],
    [['--resume'], /--resume: needs --json FILE/],
    [['--only', ''], /needs names, separated by commas/],
    [['--only', 'a,,b'], /needs names, separated by commas/],
    [['--peer', 'tfjs,torch'], /'torch' is no peer; there are jaxjs, tfjs, ort/],
    [['--peer', ''], /needs names, separated by commas/],
    [['--write', '--peer', 'tfjs'], /--write: needs all peers; got tfjs/],
    [['--write', '--only', 'sum'], /--write: needs all workloads/],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });

  it('selects by parts of names, each of which must be in one', () => {
    const names = (...only: string[]) => select(WORKLOADS, only).map(({ name }) => name);
    expect(names('MATMUL 512')).toEqual(['matmul 512³']);
    expect(names()).toHaveLength(WORKLOADS.length);
    expect(() => names('softmax 4096', 'nothing')).toThrow(/no workload is named like nothing$/);
  });

  it('is refused in a line and code 2 before a library starts', async () => {
    const done = await runScript('bench/peers/run.ts', '--only', 'nosuch');
    const stderr = 'error: --only: no workload is named like nosuch\n';
    expect(done).toEqual({ code: 2, stdout: '', stderr });
  });
});

it('an adapter that is not there is the mistake of who asked for it', async () => {
  await expect(LibraryProcess.start('ours', 'nosuch')).rejects.toThrow(
    /^openGpu: unknown adapter 'nosuch'[^\n]*$/,
  );
});
