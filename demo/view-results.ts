import type { Outcome } from './attack.ts';
import type { PairedDataset } from './data.ts';
import { find } from './dom.ts';
import { Player } from './player.ts';
import { FramesView } from './view-frames.ts';
import { PredictionView } from './view-prediction.ts';
import { SkeletonView } from './view-skeleton.ts';
import { showWeights } from './view-weights.ts';

/** Everything about one attacked sample. */
export class ResultsView {
  readonly #labels: ArrayLike<number>;
  readonly #frames: FramesView;
  readonly #skeleton: SkeletonView;
  readonly #prediction: PredictionView;
  readonly #player: Player;

  constructor({ classes, labels, video, skeleton }: PairedDataset) {
    this.#labels = labels;
    this.#frames = new FramesView(video.shape);
    this.#skeleton = new SkeletonView(skeleton.shape, skeleton.parents);
    this.#prediction = new PredictionView(classes);
    const turn = find('turn', HTMLInputElement);
    this.#player = new Player((time) => {
      this.#frames.draw(time);
      this.#skeleton.draw(time, (turn.valueAsNumber * Math.PI) / 180);
    });
    turn.addEventListener('input', () => this.#player.redraw());
  }

  /** Marks what is shown as out of date while an attack runs. */
  setBusy(busy: boolean): void {
    find('results', HTMLElement).ariaBusy = String(busy);
  }

  show(outcome: Outcome): void {
    this.#frames.show(outcome.clean, outcome.attacked);
    this.#skeleton.show(outcome.clean, outcome.attacked);
    this.#prediction.show(outcome, this.#labels[outcome.request.sample] ?? 0);
    showWeights(outcome);
    this.#player.redraw();
  }
}
