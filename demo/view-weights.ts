import type { Outcome } from './attack.ts';
import { find, make } from './dom.ts';

/** AMR stands after stages 2, 3 and 4. */
const FIRST_STAGE = 2;

/** Shows the RGB and skeleton weight of every reweighted stage, clean and attacked. */
export function showWeights({ clean, attacked }: Outcome): void {
  const stages = clean.weights.map((weights, i) =>
    make(
      'div',
      'stage',
      make('h4', '', `After stage ${i + FIRST_STAGE}`),
      weighing('clean', weights),
      weighing('attacked', attacked.weights[i] ?? weights),
    ),
  );
  find('weights', HTMLElement).replaceChildren(...stages);
}

function weighing(name: string, weights: ArrayLike<number>): HTMLElement {
  const [rgb = 1, skeleton = 1] = Array.from(weights);
  const bar = make('span');
  bar.style.setProperty('--share', String(rgb));
  const numbers = make('div', 'numbers', text(rgb), text(skeleton));
  numbers.setAttribute('aria-label', `${name}: RGB ${rgb.toFixed(2)}, skeleton ${skeleton.toFixed(2)}`);
  numbers.setAttribute('role', 'img');
  return make('div', 'weighing', make('span', '', name), make('div', 'balance', bar), numbers);
}

function text(weight: number): HTMLElement {
  return make('span', '', weight.toFixed(2));
}
