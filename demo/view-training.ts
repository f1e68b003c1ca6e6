import { drawChart, type Point, runningMean } from './chart.ts';
import { find, percent } from './dom.ts';
import { say } from './state.ts';
import type { History, Progress } from './training.ts';

/** Draws the curves and the progress of a training. */
export function showTraining({ history, epochs, stepsPerEpoch }: Progress): void {
  drawCurves(history, epochs);
  const done = history.steps.length / stepsPerEpoch;
  find('progress', HTMLProgressElement).value = done / epochs;
  const epoch = Math.min(Math.floor(done) + 1, epochs);
  const speed = history.steps.length > 0 ? ` · ${history.samplesPerSecond.toPrecision(3)} samples/s` : '';
  find('progress-text', HTMLElement).textContent = `Epoch ${epoch} of ${epochs}${speed}`;
}

/** Tells how the last epoch went. */
export function sayEpoch({ history }: Progress): void {
  const last = history.validation.at(-1);
  if (!last) return;
  say(`After epoch ${last.at}: ${percent(last.accuracy)} right on unseen figures (chance: 8 %).`);
}

function drawCurves({ steps, validation }: History, right: number): void {
  const loss = steps.map((step): Point => ({ x: step.at, y: step.loss }));
  const accuracy = steps.map((step): Point => ({ x: step.at, y: step.accuracy }));
  const dots = validation.map((seen): Point => ({ x: seen.at, y: seen.accuracy }));
  const top = Math.max(4, 2 * Math.ceil(Math.max(0, ...loss.slice(0, 5).map(({ y }) => y)) / 2));
  const decimals = (value: number) => value.toFixed(2);
  drawChart(find('loss-chart', SVGSVGElement), {
    ...{ title: 'Loss', line: loss, dots: [], right, top },
    format: decimals,
    tick: String,
  });
  drawChart(find('accuracy-chart', SVGSVGElement), {
    ...{ title: 'Accuracy', line: accuracy, dots, right, top: 1 },
    format: percent,
    tick: percent,
  });
  find('loss', HTMLElement).textContent = latest(loss, decimals);
  find('accuracy', HTMLElement).textContent = latest(accuracy, percent);
}

function latest(points: readonly Point[], format: (value: number) => string): string {
  const last = runningMean(points).at(-1);
  return last ? format(last.y) : '–';
}
