import { find } from './dom.ts';

/** Where the page is: nothing trained yet, under way, or unable to go on. */
export type Phase = 'busy' | 'fresh' | 'training' | 'paused' | 'done' | 'broken';

const HINTS: Readonly<Record<Phase, string>> = {
  busy: '',
  fresh:
    'Adversarial training takes longer and resists attacks; natural training learns sooner and is easily fooled.',
  training: 'Reset to change how it is trained.',
  paused: 'Reset to change how it is trained.',
  done: 'Reset to train anew.',
  broken: '',
};

const TRAIN_LABELS: Readonly<Record<Phase, string>> = {
  busy: 'Train',
  fresh: 'Train',
  training: 'Pause',
  paused: 'Resume',
  done: 'Train',
  broken: 'Train',
};

/** Lets the controls offer what can be done in a phase. */
export function showPhase(phase: Phase): void {
  const train = find('train', HTMLButtonElement);
  train.textContent = TRAIN_LABELS[phase];
  train.disabled = !['fresh', 'training', 'paused'].includes(phase);
  find('reset', HTMLButtonElement).disabled = ['busy', 'fresh'].includes(phase);
  find('how', HTMLSelectElement).disabled = phase !== 'fresh';
  find('rate', HTMLInputElement).disabled = phase !== 'fresh';
  find('hint', HTMLElement).textContent = HINTS[phase];
  document.body.dataset.phase = phase;
}

/** What the page tells in passing: read out by screen readers. */
export function say(text: string): void {
  find('status', HTMLElement).textContent = text;
}
