import { makeSvg } from './dom.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Chart {
  readonly title: string;
  /** Measured at every step: drawn thin, with a running mean over it. */
  readonly line: readonly Point[];
  readonly dots: readonly Point[];
  /** Right end of the axis of epochs, top of the other axis, and how its values read. */
  readonly right: number;
  readonly top: number;
  readonly format: (value: number) => string;
  readonly tick: (value: number) => string;
}

type Place = (point: Point) => readonly [x: number, y: number];

const MARGIN = { left: 42, right: 8, top: 10, bottom: 34 };
const SIZE = { width: 360, height: 220 };
const MEMORY = 0.8;

/** Draws a chart over the epochs in the place an SVG element has on the page. */
export function drawChart(svg: SVGSVGElement, chart: Chart): void {
  const { width, height } = svg.clientWidth > 0 ? svg.getBoundingClientRect() : SIZE;
  const place: Place = ({ x, y }) => [
    MARGIN.left + (x / chart.right) * (width - MARGIN.left - MARGIN.right),
    height - MARGIN.bottom - (y / chart.top) * (height - MARGIN.top - MARGIN.bottom),
  ];
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('aria-label', describe(chart));
  svg.replaceChildren(...rows(chart, place), ...columns(chart, place), ...marks(chart, place));
}

function describe({ title, line, dots, format }: Chart): string {
  const [now, seen] = [runningMean(line).at(-1), dots.at(-1)];
  if (!now) return `${title}: nothing yet`;
  const unseen = seen ? `; on unseen figures ${format(seen.y)}` : '';
  return `${title} after ${now.x.toFixed(1)} epochs: ${format(now.y)}${unseen}`;
}

/** Lines of equal value, with what they stand for. */
function rows({ right, top, tick }: Chart, place: Place): SVGElement[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const y = share * top;
    const [x1, at] = place({ x: 0, y });
    const [x2] = place({ x: right, y });
    const text = { x: x1 - 6, y: at + 4, 'text-anchor': 'end' };
    return [makeSvg('line', { class: 'grid', x1, x2, y1: at, y2: at }), makeSvg('text', text, tick(y))];
  });
}

function columns({ right }: Chart, place: Place): SVGElement[] {
  const every = Math.max(1, Math.ceil(right / 6));
  const epochs = Array.from({ length: Math.floor(right / every) + 1 }, (_, i) => i * every);
  const labels = epochs.map((epoch) => {
    const [x, y] = place({ x: epoch, y: 0 });
    return makeSvg('text', { x, y: y + 15, 'text-anchor': 'middle' }, String(epoch));
  });
  const [x, y] = place({ x: right / 2, y: 0 });
  return [...labels, makeSvg('text', { x, y: y + 30, 'text-anchor': 'middle' }, 'epochs')];
}

function marks({ line, dots, top }: Chart, place: Place): SVGElement[] {
  const within = (points: readonly Point[]) => points.map(({ x, y }) => ({ x, y: Math.min(y, top) }));
  const circles = within(dots).map((dot) => {
    const [cx, cy] = place(dot);
    return makeSvg('circle', { class: 'dot', cx, cy, r: 4 });
  });
  const paths = [path('raw', within(line), place), path('mean', within(runningMean(line)), place)];
  return [...paths, ...circles];
}

function path(name: string, points: readonly Point[], place: Place): SVGElement {
  const corners = points.map((point) => place(point).map((value) => value.toFixed(1)));
  return makeSvg('path', { class: name, d: corners.length > 0 ? `M${corners.join('L')}` : '' });
}

/** Exponential mean without the bias of its start. */
export function runningMean(points: readonly Point[]): Point[] {
  let [sum, weight] = [0, 0];
  return points.map(({ x, y }) => {
    sum = MEMORY * sum + y;
    weight = MEMORY * weight + 1;
    return { x, y: sum / weight };
  });
}
