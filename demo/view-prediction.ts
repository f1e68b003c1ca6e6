import type { Outcome } from './attack.ts';
import { find, make, percent } from './dom.ts';

interface Row {
  readonly item: HTMLLIElement;
  readonly bars: readonly [HTMLElement, HTMLElement];
  readonly numbers: readonly [HTMLElement, HTMLElement];
}

/** The probability of every class before and after the attack, and what came of it in words. */
export class PredictionView {
  readonly #classes: readonly string[];
  readonly #rows: readonly Row[];
  readonly #verdict = find('verdict', HTMLElement);

  constructor(classes: readonly string[]) {
    this.#classes = classes;
    this.#rows = classes.map(makeRow);
    find('classes', HTMLOListElement).replaceChildren(...this.#rows.map(({ item }) => item));
  }

  show({ clean, attacked, request }: Outcome, truth: number): void {
    for (const [i, row] of this.#rows.entries()) {
      const shares = [clean.probabilities[i] ?? 0, attacked.probabilities[i] ?? 0] as const;
      fillRow(row, shares, i === truth);
    }
    const before = mostLikely(clean.probabilities);
    const after = mostLikely(attacked.probabilities);
    this.#verdict.dataset.kind = before !== truth ? 'wrong' : after === truth ? 'held' : 'fooled';
    const words = verdictOf(this.#verdict.dataset.kind, request.strength);
    const said = `Clean: ${this.#say(clean.probabilities, before)}. Attacked: ${this.#say(attacked.probabilities, after)}.`;
    this.#verdict.replaceChildren(make('b', '', words), ` ${said}`);
  }

  #say(probabilities: ArrayLike<number>, best: number): string {
    return `${this.#classes[best]} (${percent(probabilities[best] ?? 0)})`;
  }
}

function verdictOf(kind: string, strength: number): string {
  if (kind === 'wrong') return 'Wrong even without an attack.';
  if (strength === 0) return 'Not attacked.';
  return kind === 'held' ? 'The network holds.' : 'Fooled.';
}

function mostLikely(probabilities: ArrayLike<number>): number {
  const all = Array.from(probabilities);
  return all.indexOf(Math.max(...all));
}

function makeRow(name: string): Row {
  const bars = [make('div', 'bar clean'), make('div', 'bar attacked')] as const;
  const numbers = [make('span', 'numbers'), make('span', 'numbers')] as const;
  const cells = [make('span', 'tick'), make('span', '', name), make('div', 'bars', ...bars), ...numbers];
  return { item: make('li', '', ...cells), bars, numbers };
}

function fillRow({ item, bars, numbers }: Row, shares: readonly [number, number], truth: boolean): void {
  for (const [i, bar] of bars.entries()) bar.style.setProperty('--share', String(shares[i]));
  for (const [i, number] of numbers.entries()) number.textContent = percent(shares[i] ?? 0);
  item.classList.toggle('truth', truth);
}
