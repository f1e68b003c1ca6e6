import { type Device, DeviceError, openDevice } from '../src/index.ts';
import { type AttackRequest, attackSample } from './attack.ts';
import { listSamples, onAttackChange, readAttack, readTraining } from './controls.ts';
import { makeDataset, type PairedDataset } from './data.ts';
import { find } from './dom.ts';
import { Latest } from './latest.ts';
import { sizeOf } from './sizes.ts';
import { say, showPhase } from './state.ts';
import { Training } from './training.ts';
import { cannotOpen, deviceLost, diverged, NO_WEBGPU, showTrouble, unexpected } from './trouble.ts';
import { ResultsView } from './view-results.ts';
import { sayEpoch, showTraining } from './view-training.ts';

/** The page: one device, one data set and one training at a time. */
class Demo {
  readonly #size = sizeOf(location.search);
  readonly #attacks = new Latest((request: AttackRequest) => this.#attack(request));
  #dataset: PairedDataset | undefined;
  #results: ResultsView | undefined;
  #device: Device | undefined;
  #training: Training | undefined;

  /** Opens a device, makes the data on the first call, and sets up a fresh network. */
  async open(): Promise<void> {
    showTrouble(undefined);
    showPhase('busy');
    const device = await openDevice().catch((error: unknown) => showTrouble(cannotOpen(error)));
    if (!device) return;
    this.#device = device;
    void device.gpu.lost.then(({ message, reason }) => this.#lose(device, message.trim() || reason));
    find('adapter', HTMLElement).textContent = adapterName(device);
    find('work', HTMLElement).hidden = false;
    say('Drawing the clips …');
    this.#dataset ??= await makeDataset(this.#size.figures);
    this.#results ??= this.#showData(this.#dataset);
    say('');
    this.#renew();
  }

  toggle(): void {
    if (document.body.dataset.phase === 'training') {
      this.#training?.pause();
      showPhase('paused');
      this.requestAttack();
    } else {
      if (document.body.dataset.phase === 'fresh') this.#renew();
      this.#training?.run();
      showPhase('training');
    }
  }

  /** Ends the training and starts over with a fresh network. */
  async reset(): Promise<void> {
    showPhase('busy');
    await this.#training?.stop();
    showTrouble(undefined);
    say('');
    this.#renew();
  }

  requestAttack(): void {
    const request = readAttack();
    if (!this.#device) return;
    this.#results?.setBusy(true);
    this.#attacks.request(request);
  }

  redraw(): void {
    if (this.#training) showTraining(this.#training);
  }

  #showData(dataset: PairedDataset): ResultsView {
    listSamples(dataset);
    return new ResultsView(dataset);
  }

  #renew(): void {
    if (!this.#device || !this.#dataset) return;
    this.#training?.dispose();
    const training: Training = new Training(this.#device, this.#dataset, this.#size, readTraining(), {
      onStep: () => showTraining(training),
      onEpoch: () => this.#afterEpoch(training),
      onDone: () => showPhase('done'),
      onError: (error) => this.#fail(error),
    });
    this.#training = training;
    showPhase('fresh');
    showTraining(training);
    this.requestAttack();
  }

  #afterEpoch(training: Training): void {
    showTraining(training);
    sayEpoch(training);
    this.requestAttack();
  }

  async #attack(request: AttackRequest): Promise<void> {
    const [device, training, dataset] = [this.#device, this.#training, this.#dataset];
    if (!device || !training || !dataset) return;
    try {
      this.#results?.show(await attackSample(device, training.network, dataset, request));
    } catch (error) {
      if (device === this.#device) showTrouble(unexpected(error));
    } finally {
      this.#results?.setBusy(this.#attacks.waiting);
    }
  }

  #fail(error: unknown): void {
    showPhase('broken');
    showTrouble(error instanceof DeviceError ? unexpected(error) : diverged(error));
  }

  #lose(device: Device, reason: string): void {
    if (device !== this.#device) return;
    this.#device = undefined;
    this.#training = undefined;
    device.dispose();
    showPhase('broken');
    find('reset', HTMLButtonElement).disabled = true;
    showTrouble(deviceLost(reason));
  }
}

function adapterName({ traits }: Device): string {
  const name = traits.description || traits.architecture || 'unnamed';
  const vendor = name.toLowerCase().includes(traits.vendor.toLowerCase()) ? '' : `${traits.vendor} `;
  return `${vendor}${name}${traits.software ? ' (software, slow)' : ''}`;
}

function start(): void {
  if (!navigator.gpu) {
    showTrouble(NO_WEBGPU);
    return;
  }
  const demo = new Demo();
  const guarded = (work: Promise<void>) => void work.catch((error) => showTrouble(unexpected(error)));
  find('rate', HTMLInputElement).value = String(sizeOf(location.search).learningRate);
  find('train-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    demo.toggle();
  });
  find('reset', HTMLButtonElement).addEventListener('click', () => guarded(demo.reset()));
  find('reopen', HTMLButtonElement).addEventListener('click', () => guarded(demo.open()));
  onAttackChange(() => demo.requestAttack());
  addEventListener('resize', () => demo.redraw());
  guarded(demo.open());
}

start();
