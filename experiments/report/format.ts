import type { Modality } from '../../src/amr/action-network.ts';
import type { Interval, Level } from '../results.ts';

/** A no-break space, so that no number is parted from its unit. */
const SPACE = '\u00a0';
/** Stands for a figure that does not exist. */
export const NONE = '–';

/** 0.512 → `51.2 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}${SPACE}%`;
}

/** [0.44, 0.58] → `44.0–58.0`. */
export function interval([low, high]: Interval): string {
  return `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;
}

/** A difference of shares in percentage points, with its sign: 0.109 → `+10.9`. */
export function points(share: number): string {
  const text = Math.abs(100 * share).toFixed(1);
  if (text === '0.0') return text;
  return `${share < 0 ? '−' : '+'}${text}`;
}

/** ε in the unit people think in: `8/255` or `2 cm`. */
export function epsilon(modality: Modality, eps: number): string {
  return modality === 'rgb' ? `${short(eps * 255)}/255` : `${short(eps * 100)}${SPACE}cm`;
}

/** At most three significant digits, no trailing zeros. */
export function short(value: number): string {
  // In results.json what is no number is null.
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : NONE;
}

/** ε of every modality named: `8/255 + 2 cm`. */
export function budgetText(budget: Level): string {
  return budgetLines(budget).join(' + ');
}

/** ε of each modality, RGB first. */
export function budgetLines(budget: Level): string[] {
  return modalitiesOf(budget).map((m) => epsilon(m, budget[m] ?? 0));
}

export function modalitiesOf(budget: Level): Modality[] {
  return (['rgb', 'skeleton'] as const).filter((m) => budget[m] !== undefined);
}

/** 1234567 → `1,234,567`. */
export function integer(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `pgd20` → `PGD-20`. */
export function attackName(attack: string): string {
  return attack.toUpperCase().replace(/^([A-Z]+)(\d+)$/, '$1-$2');
}

/** A probability to three decimals: `0.012`, or `< 0.001`. */
export function pValue(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

/** `a`, `a and b`, `a, b and c`. */
export function listText(items: readonly string[]): string {
  if (items.length < 2) return items[0] ?? '';
  return `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`;
}

/** Small counts as words, at the start of a sentence. */
export function countWord(n: number): string {
  return ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine'][n] ?? String(n);
}

/** `1 sample`, `2 samples`. */
export function plural(n: number, noun: string): string {
  return `${integer(n)}${SPACE}${noun}${n === 1 ? '' : 's'}`;
}
