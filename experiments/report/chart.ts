import { parse, View } from 'vega';
import { type Config, compile, type TopLevelSpec } from 'vega-lite';
import { escapeHtml, Html } from './html.ts';
import type { Network } from './study.ts';

/** A tick of an axis and the lines of its label. */
export interface Tick {
  readonly value: number;
  readonly lines: readonly string[];
}

/** Room around a plot: fixed, so that panels side by side line up. */
export const FRAME = {
  autosize: 'none' as const,
  padding: { left: 44, right: 22, top: 8, bottom: 56 },
};

/** A layer of its own single row, for a line at a fixed place. */
export const ONE_ROW = { values: [{}] };

/** Width of a plot in pixels: with its axis it fills a phone, and three stand side by side on a desk. */
export const WIDTH = 290;

// Colours come from the page (style.ts), so that a chart follows the light or the dark scheme.
const INK = 'currentColor';
const FAINT = { gridColor: INK, gridOpacity: 0.12, domainOpacity: 0.35, tickOpacity: 0.35 };
const THEME: Config = {
  aria: false,
  background: 'transparent',
  padding: 4,
  view: { stroke: null },
  axis: {
    ...FAINT,
    domainColor: INK,
    tickColor: INK,
    tickSize: 4,
    labelColor: INK,
    labelFontSize: 11,
    titleColor: INK,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    titlePadding: 8,
  },
};

/** Draws a Vega-Lite chart as inline SVG, described by `label` to those who cannot see it. */
export async function drawChart(spec: TopLevelSpec, label: string): Promise<Html> {
  const view = new View(parse(compile({ ...spec, config: THEME }).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return new Html(svg.replace(/^<svg[^>]*>/, (head) => openingTag(head, label)));
}

function openingTag(head: string, label: string): string {
  const [, box, width] = /viewBox="(0 0 ([\d.]+) [\d.]+)"/.exec(head)!;
  const style = `max-width:${Math.round(Number(width) * 1.25)}px`;
  return `<svg class="chart" role="img" aria-label="${escapeHtml(label)}" viewBox="${box}" style="${style}">`;
}

/** Colour, marker and dash of each network, as scales without a legend: the page has one legend for all. */
export function networkScales(networks: readonly Network[]) {
  const domain = networks.map((n) => n.label);
  const encode = <T>(range: T[]) => ({
    field: 'network',
    type: 'nominal' as const,
    legend: null,
    scale: { domain, range },
  });
  return {
    color: encode(networks.map((n) => n.color)),
    shape: encode(networks.map((n) => n.shape)),
    strokeDash: encode(networks.map((n) => [...n.dash])),
  };
}

/** An axis with these ticks; labels may have several lines. */
export function tickAxis(ticks: readonly Tick[], title: string | string[]) {
  const cases = ticks.map((t) => `abs(datum.value-${t.value})<1e-9?${JSON.stringify(t.lines)}:`);
  return {
    title,
    grid: false,
    values: ticks.map((t) => t.value),
    labelExpr: `${cases.join('')}''`,
    labelOverlap: 'greedy' as const,
    labelSeparation: -10, // widths are guessed without a font, and guessed too large
    labelFlush: false,
  };
}

/** Vertical axis of a share, 0 to 100 %. */
export const SHARE_AXIS = {
  type: 'quantitative' as const,
  scale: { domain: [0, 1] },
  axis: { title: null, format: '.0%', values: [0, 0.25, 0.5, 0.75, 1], minExtent: 34, maxExtent: 34 },
};
