import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Interrupted } from '../../experiments/errors.ts';
import { Progress } from '../../experiments/progress.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Progress over 200 units, and what it has shown: `lines` elsewhere, `bar` (the last one) on a terminal. */
function show(isTTY: boolean, signal = new AbortController().signal) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  let text = '';
  stream.on('data', (data: Buffer) => {
    text += data.toString();
  });
  const progress = new Progress(200, signal, stream);
  const lines = () => text.split('\n').filter((line) => line !== '');
  const bar = () => {
    progress.stop();
    // Each redraw starts at the first column again.
    return stripVTControlCharacters(text.split('\u001b[1G').at(-1) ?? '').trimEnd();
  };
  return { progress, lines, bar };
}

describe('on a terminal', () => {
  test('a bar with phase, loss, accuracy, speed and the time that is left', async () => {
    const { progress, bar } = show(true);
    progress.phase('train rgb-natural 1/2');
    vi.advanceTimersByTime(4000);
    await progress.advance(10, 10, { loss: 1.23456, accuracy: 0.504 });
    expect(bar()).toBe(
      'train rgb-natural 1/2          ██████████░░░░░░░░░░ 50% | loss 1.235 | acc 50 % | 2.5 samples/s | 4 s left',
    );
  });

  test('what is not known is a dash; the speed is that of the phase, the rest that of the run', async () => {
    const { progress, bar } = show(true);
    progress.phase('linear ridge');
    vi.advanceTimersByTime(60_000);
    await progress.advance(20, 1);
    progress.phase('attack amr-pgd fgsm-rgb-0');
    vi.advanceTimersByTime(1000);
    await progress.advance(30, 1);
    // 61 s for 50 units, 150 to go: 183 s.
    expect(bar()).toBe(
      'attack amr-pgd fgsm-rgb-0      █████░░░░░░░░░░░░░░░ 25% | loss – | acc – | 30 samples/s | 3 min left',
    );
  });

  test('work of an earlier sitting is done, and took no time', async () => {
    const { progress, bar } = show(true);
    progress.skip(100);
    progress.phase('test amr-pgd clean');
    vi.advanceTimersByTime(10_000);
    await progress.advance(50, 1, { loss: 0, accuracy: 1 });
    expect(bar()).toBe(
      'test amr-pgd clean             ███████████████░░░░░ 75% | loss 0.000 | acc 100 % | 5.0 samples/s | 10 s left',
    );
  });

  test('without any work there is no guess at what is left', async () => {
    const { progress, bar } = show(true);
    progress.phase('report');
    vi.advanceTimersByTime(1000);
    await progress.advance(0, 0);
    expect(bar()).toMatch(/ 0% \| loss – \| acc – \| 0\.0 samples\/s \| – left$/);
  });

  test('more work than was reckoned stays at the end', async () => {
    const { progress, bar } = show(true);
    progress.phase('report');
    vi.advanceTimersByTime(1000);
    await progress.advance(500, 1);
    expect(bar()).toMatch(/ ████████████████████ 100% .* \| 0 s left$/);
  });
});

test('elsewhere a line per phase', async () => {
  const { progress, lines } = show(false);
  progress.phase('linear ridge');
  await progress.advance(100, 1, { loss: 1 });
  progress.phase('train rgb-natural 1/2');
  progress.skip(300);
  progress.phase('report');
  progress.stop();
  expect(lines()).toEqual(['  0 % linear ridge', ' 50 % train rgb-natural 1/2', '100 % report']);
});

test('an interruption takes effect at the next report', async () => {
  const abort = new AbortController();
  const { progress } = show(false, abort.signal);
  progress.phase('linear ridge');
  abort.abort();
  await expect(progress.advance(1, 1)).rejects.toThrow(Interrupted);
  expect(() => progress.phase('next')).toThrow(Interrupted);
  expect(() => progress.check()).toThrow(Interrupted);
});
