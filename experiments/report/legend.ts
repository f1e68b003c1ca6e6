import { type Html, html } from './html.ts';
import type { Network } from './study.ts';

const MARKERS: Readonly<Record<string, string>> = {
  circle: 'M14,3.5a3.5,3.5 0 1 1 0,7a3.5,3.5 0 1 1 0,-7Z',
  square: 'M10.8,3.8h6.4v6.4h-6.4Z',
  'triangle-up': 'M14,2.8l4,7.4h-8Z',
  diamond: 'M14,2.4l3.6,4.6l-3.6,4.6l-3.6,-4.6Z',
  cross: 'M12.8,3h2.4v2.8H18v2.4h-2.8V11h-2.4V8.2H10V5.8h2.8Z',
  'triangle-down': 'M14,11.2l4,-7.4h-8Z',
};

/** Line, marker and name of each network, once for all charts of a section. */
export function legend(networks: readonly Network[], notes: readonly string[] = []): Html {
  const entries = networks.map((n) => html`<li>${swatch(n)}${n.label}</li>`);
  return html`<ul class="legend">${entries}${notes.map((note) => html`<li class="muted">${note}</li>`)}</ul>`;
}

/** The marker of a series, as text runs. */
export function marker(shape: string, color: string): Html {
  return html`<svg viewBox="7 0 14 14" class="marker" aria-hidden="true" style="color:${color}"><path d="${MARKERS[shape] ?? ''}" fill="currentColor"/></svg>`;
}

function swatch({ color, dash, shape }: Network): Html {
  return html`<svg viewBox="0 0 28 14" aria-hidden="true" style="color:${color}"><path d="M0,7H28" stroke="currentColor" stroke-width="2" stroke-dasharray="${dash.join(' ')}"/><path d="${MARKERS[shape] ?? ''}" fill="currentColor"/></svg>`;
}
