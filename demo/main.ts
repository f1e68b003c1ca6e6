import { listSamples, onAttackChange, readAttack, readTraining } from './controls.ts';
import { makeDataset, type PairedDataset } from './data.ts';
import { find } from './dom.ts';
import { Engine } from './engine.ts';
import { Latest } from './latest.ts';
import type { Failure } from './protocol.ts';
import type { AttackRequest } from './request.ts';
import { sizeOf } from './sizes.ts';
import { say, showPhase } from './state.ts';
import { cannotOpen, deviceLost, diverged, NO_WEBGPU, showTrouble, unexpected } from './trouble.ts';
import { ResultsView } from './view-results.ts';
import { sayEpoch, showTraining } from './view-training.ts';

/** The page: one data set and one training at a time. */
class Demo {
  readonly #size = sizeOf(location.search);
  readonly #attacks = new Latest((request: AttackRequest) => this.#attack(request));
  readonly #engine = new Engine({
    onStep: () => this.redraw(),
    onEpoch: () => this.#afterEpoch(),
    onDone: () => showPhase('done'),
    onError: (error) => this.#fail(error),
    onLost: (reason) => this.#lose(reason),
  });
  #dataset: PairedDataset | undefined;
  #results: ResultsView | undefined;
  #opened = false;

  /** Opens a device, makes the data on the first call, and sets up a fresh network. */
  async open(): Promise<void> {
    showTrouble(undefined);
    showPhase('busy');
    const adapter = await this.#engine.ask('open').catch((error: unknown) => showTrouble(cannotOpen(error)));
    if (adapter === undefined) return;
    this.#opened = true;
    find('adapter', HTMLElement).textContent = adapter;
    find('work', HTMLElement).hidden = false;
    if (!this.#dataset) await this.#load();
    await this.#renew();
  }

  async toggle(): Promise<void> {
    const { phase } = document.body.dataset;
    showPhase(phase === 'training' ? 'paused' : 'training');
    if (phase === 'training') {
      await this.#engine.ask('pause');
      this.requestAttack();
    } else {
      if (phase === 'fresh') await this.#begin();
      await this.#engine.ask('run');
    }
  }

  /** Ends the training and starts over with a fresh network. */
  async reset(): Promise<void> {
    showPhase('busy');
    await this.#engine.ask('stop');
    showTrouble(undefined);
    say('');
    await this.#renew();
  }

  requestAttack(): void {
    const request = readAttack();
    if (!this.#opened) return;
    this.#results?.setBusy(true);
    this.#attacks.request(request);
  }

  redraw(): void {
    if (this.#engine.progress) showTraining(this.#engine.progress);
  }

  async #load(): Promise<void> {
    say('Drawing the clips …');
    this.#dataset = await makeDataset(this.#size.figures);
    await this.#engine.ask('load', { dataset: this.#dataset, size: this.#size });
    listSamples(this.#dataset);
    this.#results = new ResultsView(this.#dataset);
    say('');
  }

  async #renew(): Promise<void> {
    await this.#begin();
    showPhase('fresh');
    this.requestAttack();
  }

  /** A fresh network, trained as chosen. */
  async #begin(): Promise<void> {
    showTraining(await this.#engine.renew(readTraining()));
  }

  #afterEpoch(): void {
    this.redraw();
    if (this.#engine.progress) sayEpoch(this.#engine.progress);
    this.requestAttack();
  }

  async #attack(request: AttackRequest): Promise<void> {
    try {
      this.#results?.show(await this.#engine.ask('attack', request));
    } catch (error) {
      if (this.#opened) showTrouble(unexpected(error));
    } finally {
      this.#results?.setBusy(this.#attacks.waiting);
    }
  }

  #fail({ name, message }: Failure): void {
    showPhase('broken');
    showTrouble(name === 'DeviceError' ? unexpected(message) : diverged(message));
  }

  #lose(reason: string): void {
    this.#opened = false;
    showPhase('broken');
    find('reset', HTMLButtonElement).disabled = true;
    showTrouble(deviceLost(reason));
  }
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
    guarded(demo.toggle());
  });
  find('reset', HTMLButtonElement).addEventListener('click', () => guarded(demo.reset()));
  find('reopen', HTMLButtonElement).addEventListener('click', () => guarded(demo.open()));
  onAttackChange(() => demo.requestAttack());
  addEventListener('resize', () => demo.redraw());
  guarded(demo.open());
}

start();
