import type { KernelProfile, Profile, ProfiledDispatch } from './profile.ts';

const HEAD = ['kernel', 'calls', 'ms', '%', 'µs/call', 'GB/s', 'GFLOP/s'];
const PROCESS = 1;

/**
 * A profile as a table of text: a line for each kernel with its calls, GPU time, share of all GPU time, time per call,
 * and the rates that its bytes and flops come to; `–` where something is not known. Beyond the `most` first kernels (all when
 * left out) the others are one line.
 */
export function formatProfile(profile: Profile, most = Number.POSITIVE_INFINITY): string {
  const all = profile.kernels.reduce((sum, { time }) => sum + (time ?? 0), 0);
  const rest = profile.kernels.slice(most);
  const shown = [...profile.kernels.slice(0, most), ...(rest.length > 0 ? [together(rest)] : [])];
  const calls = profile.dispatches.length;
  const sum = ['total', `${calls}`, ...(profile.timed ? [all.toFixed(3), '100.0'] : ['–', '–'])];
  const rows = [HEAD, ...shown.map((kernel) => rowOf(kernel, all)), sum];
  const note = profile.timed ? '' : ', no GPU times: this device has no timestamp-query';
  return `${align(rows)}\nwall ${profile.wall.toFixed(1)} ms${note}\n`;
}

/**
 * A profile as JSON in the Chrome trace format, which https://ui.perfetto.dev and chrome://tracing open: a slice for each
 * dispatch; without timestamps only a mark at the time the host recorded it.
 */
export function chromeTrace(profile: Profile): string {
  const named = (name: string, tid: number, text: string) =>
    ({ name, ph: 'M', pid: PROCESS, tid, args: { name: text } }) as const;
  const track = profile.timed ? 'GPU' : 'host (no GPU times)';
  const names = [named('process_name', 0, 'kernelwright'), named('thread_name', 1, track)];
  const traceEvents = [...names, ...profile.dispatches.map(eventOf)];
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents });
}

function eventOf({ kernel, groups, bytes, flops, enqueued, start, time }: ProfiledDispatch) {
  const common = { name: kernel, cat: 'kernel', pid: PROCESS, tid: 1, args: { groups, bytes, flops } };
  if (start === undefined || time === undefined) return { ...common, ph: 'i', s: 't', ts: 1000 * enqueued };
  return { ...common, ph: 'X', ts: 1000 * start, dur: 1000 * time };
}

function together(kernels: readonly KernelProfile[]): KernelProfile {
  const sum = (key: 'calls' | 'time' | 'bytes') =>
    kernels.reduce((total, kernel) => total + (kernel[key] ?? 0), 0);
  const time = kernels[0]?.time === undefined ? undefined : sum('time');
  const name = `${kernels.length} others`;
  return { kernel: name, calls: sum('calls'), time, bytes: sum('bytes'), flops: undefined };
}

function rowOf({ kernel, calls, time, bytes, flops }: KernelProfile, all: number): string[] {
  if (time === undefined) return [kernel, `${calls}`, '–', '–', '–', '–', '–'];
  const rate = (amount: number | undefined) =>
    amount === undefined || time === 0 ? '–' : (amount / time / 1e6).toFixed(2);
  const share = all > 0 ? ((100 * time) / all).toFixed(1) : '–';
  return [
    kernel,
    `${calls}`,
    time.toFixed(3),
    share,
    ((1000 * time) / calls).toFixed(1),
    rate(bytes),
    rate(flops),
  ];
}

/** Columns of equal width, the first to the left and the others to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}
