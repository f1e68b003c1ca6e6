// Device, network and training live here, so that launching and compiling kernels never holds up the page.
import { type Device, openDevice } from '../src/index.ts';
import { attackSample, type Outcome, warmAttack } from './attack.ts';
import type { PairedDataset } from './data.ts';
import { type Call, type Calls, type Events, failureOf, type Reply } from './protocol.ts';
import type { AttackRequest } from './request.ts';
import type { DemoSize } from './sizes.ts';
import { Training, type TrainingChoice } from './training.ts';

type Answers = { [K in keyof Calls]: (given: Parameters<Calls[K]>[0]) => Promise<ReturnType<Calls[K]>> };

class Engine implements Answers {
  #device: Device | undefined;
  #loaded: { readonly dataset: PairedDataset; readonly size: DemoSize } | undefined;
  #training: Training | undefined;

  async open(): Promise<string> {
    const device = await openDevice();
    this.#device = device;
    void device.gpu.lost.then(({ message, reason }) => this.#lose(device, message.trim() || reason));
    return adapterName(device);
  }

  async load(given: { readonly dataset: PairedDataset; readonly size: DemoSize }): Promise<void> {
    this.#loaded = given;
  }

  async renew(choice: TrainingChoice): Promise<{ epochs: number; stepsPerEpoch: number }> {
    const { device, dataset, size } = this.#ready();
    this.#training?.dispose();
    const training: Training = new Training(device, dataset, size, choice, {
      onStep: (metrics) => tell('onStep', metrics, training.history.samplesPerSecond),
      onEpoch: (metrics) => tell('onEpoch', metrics),
      onDone: () => tell('onDone'),
      onError: (error) => tell('onError', failureOf(error)),
    });
    this.#training = training;
    return { epochs: training.epochs, stepsPerEpoch: training.stepsPerEpoch };
  }

  async run(): Promise<void> {
    this.#training?.run();
  }

  async pause(): Promise<void> {
    this.#training?.pause();
  }

  async stop(): Promise<void> {
    await this.#training?.stop();
  }

  async attack(request: AttackRequest): Promise<Outcome> {
    const { device, dataset } = this.#ready();
    const { network } = this.#training as Training;
    await warmAttack(device, network, dataset, request);
    return attackSample(device, network, dataset, request);
  }

  #ready(): { device: Device; dataset: PairedDataset; size: DemoSize } {
    if (!this.#device || !this.#loaded) throw new Error('the device or the data set is not there yet');
    return { device: this.#device, ...this.#loaded };
  }

  #lose(device: Device, reason: string): void {
    if (device !== this.#device) return;
    this.#device = undefined;
    this.#training = undefined;
    device.dispose();
    tell('onLost', reason);
  }
}

function adapterName({ traits }: Device): string {
  const name = traits.description || traits.architecture || 'unnamed';
  const vendor = name.toLowerCase().includes(traits.vendor.toLowerCase()) ? '' : `${traits.vendor} `;
  return `${vendor}${name}${traits.software ? ' (software, slow)' : ''}`;
}

function post(reply: Reply): void {
  self.postMessage(reply);
}

function tell<E extends keyof Events>(event: E, ...given: Parameters<Events[E]>): void {
  post({ event, with: given });
}

const engine = new Engine();
self.onmessage = async ({ data }: MessageEvent<Call & { id: number }>) => {
  const answer = engine[data.ask] as (given: unknown) => Promise<unknown>;
  try {
    post({ answer: data.id, value: await answer.call(engine, data.with) });
  } catch (error) {
    post({ answer: data.id, failure: failureOf(error) });
  }
};
