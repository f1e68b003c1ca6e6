import { type PairedDataset, sampleName } from './data.ts';
import { find, make } from './dom.ts';
import { type AttackRequest, epsilonsOf, type Target } from './request.ts';
import type { TrainingChoice } from './training.ts';

const form = find('attack-form', HTMLFormElement);
const sample = find('sample', HTMLSelectElement);
const strength = find('strength', HTMLInputElement);
const steps = find('steps', HTMLInputElement);

/** Offers the test samples. */
export function listSamples(dataset: PairedDataset): void {
  const options = dataset.splits.test.map((index) => {
    const option = make('option', '', sampleName(dataset, index));
    option.value = String(index);
    return option;
  });
  sample.replaceChildren(...options);
}

/** What the controls ask for; the texts beside the sliders follow. */
export function readAttack(): AttackRequest {
  const on = new FormData(form).get('on') as Target;
  const request = {
    sample: Number(sample.value),
    on,
    strength: strength.valueAsNumber,
    steps: steps.valueAsNumber,
  };
  const size = sizeText(request);
  find('strength-text', HTMLOutputElement).textContent = size;
  find('steps-text', HTMLOutputElement).textContent = steps.value;
  strength.setAttribute('aria-valuetext', size);
  return request;
}

export function onAttackChange(listener: () => void): void {
  form.addEventListener('input', listener);
  form.addEventListener('submit', (event) => event.preventDefault());
}

export function readTraining(): TrainingChoice {
  const how = find('how', HTMLSelectElement).value as TrainingChoice['how'];
  return { how, learningRate: find('rate', HTMLInputElement).valueAsNumber };
}

function sizeText(request: AttackRequest): string {
  const { rgb, skeleton } = epsilonsOf(request);
  const parts = [
    rgb !== undefined && `${request.strength}/255`,
    skeleton !== undefined && `${(100 * skeleton).toFixed(2).replace(/0$/, '')} cm`,
  ];
  return parts.filter((part) => part !== false).join(' · ');
}
