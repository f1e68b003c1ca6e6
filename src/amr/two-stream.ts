import { check, checkNames, need, ShapeError } from '../errors.ts';
import { type Backbone, Network, runStage } from '../models/backbone.ts';
import { Initialiser } from '../nn/initialisers.ts';
import type { Mode } from '../nn/module.ts';
import { toF32 } from '../nn/precision.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type ActionInputs,
  ActionNetwork,
  type ActionOutput,
  inputOf,
  type Modality,
} from './action-network.ts';
import type { Fusion, FusionHead, FusionStage, Pair, StreamEnd } from './fusion.ts';
import { concatenation } from './heads.ts';

export interface TwoStreamOptions {
  readonly classes: number;
  /** How the streams meet; by concatenation of their final features when left out. */
  readonly fusion?: Fusion | undefined;
  readonly dropout?: number;
  /** Stages of each backbone after which they exchange; those the backbones name when left out, the last of the one that names more. */
  readonly taps?: Pair<readonly number[]>;
}

/**
 * A video and a skeleton backbone, of any kind, that a `Fusion` joins: between tapped stages, where both feature maps go
 * on into their backbones, and in a head. Throws `ShapeError` when `taps` are not as many of both
 * or do not ascend, for one backbone twice, and for no classes.
 */
export class TwoStreamNetwork extends ActionNetwork {
  readonly modalities = ['rgb', 'skeleton'] as const;
  readonly rgb: Backbone;
  readonly skeleton: Backbone;
  readonly fusion: readonly FusionStage[];
  readonly head: FusionHead;
  readonly #taps: Pair<readonly number[]>;

  constructor(init: Initialiser, rgb: Backbone, skeleton: Backbone, options: TwoStreamOptions) {
    super();
    for (const [name, backbone] of Object.entries({ rgb, skeleton }))
      need(Array.isArray(backbone?.stages), 'TwoStreamNetwork', `${name}, a backbone`, backbone);
    this.rgb = rgb;
    this.skeleton = skeleton;
    check(rgb !== skeleton, 'TwoStreamNetwork', () => 'needs two backbones; got the same one twice');
    const { classes, dropout = 0, taps = lastTaps(rgb, skeleton) } = options;
    check(
      Number.isInteger(classes) && classes > 0,
      'TwoStreamNetwork',
      () => `classes must be a count; got ${classes}`,
    );
    const fusion = options.fusion ?? concatenation();
    need(typeof fusion.head === 'function', 'TwoStreamNetwork', 'a fusion such as amr()', fusion);
    const classifies = { rgb: hasHead(rgb), skeleton: hasHead(skeleton) };
    const at = (r: number, s: number) => {
      const channels = { rgb: rgb.channels[r] ?? 0, skeleton: skeleton.channels[s] ?? 0 };
      return { classes, dropout, classifies, channels };
    };
    const stage = fusion.stage;
    this.#taps = stage ? checkTaps(taps, this) : { rgb: [], skeleton: [] };
    this.fusion = stage
      ? this.#taps.rgb.map((tap, i) => stage(init, at(tap, this.#taps.skeleton[i] ?? 0)))
      : [];
    this.head = fusion.head(init, at(rgb.stages.length - 1, skeleton.stages.length - 1));
  }

  forward(inputs: ActionInputs, mode: Mode): ActionOutput {
    const { rgb, skeleton, auxiliary, weights } = this.#run(inputs, mode);
    const ends = { rgb: end(this.rgb, rgb, mode), skeleton: end(this.skeleton, skeleton, mode) };
    return { ...this.head.forward(ends, mode), auxiliary, weights };
  }

  /** Pooled final features of both streams, f32 [N, Cr] and [N, Cs]. */
  features(inputs: ActionInputs, mode: Mode): Pair<Tensor> {
    const { rgb, skeleton } = this.#run(inputs, mode);
    return { rgb: pooled(this.rgb, rgb, mode), skeleton: pooled(this.skeleton, skeleton, mode) };
  }

  /** The last feature maps, and what the fused stages gave on the way. */
  #run(inputs: ActionInputs, mode: Mode) {
    const auxiliary: Tensor[] = [];
    const weights: Tensor[] = [];
    let [r, s] = [inputOf(inputs, 'rgb'), inputOf(inputs, 'skeleton')];
    for (let leg = 0; leg <= this.fusion.length; leg++) {
      r = this.#advance('rgb', leg, r, mode);
      s = this.#advance('skeleton', leg, s, mode);
      const out = this.fusion[leg]?.forward(r, s, mode);
      if (!out) break;
      [r, s] = [out.rgb, out.skeleton];
      if (out.weights) weights.push(out.weights);
      auxiliary.push(...(out.auxiliary ?? []));
    }
    return { rgb: r, skeleton: s, auxiliary, weights };
  }

  /** Through the stages from one tap to the next, the last leg to the end. */
  #advance(modality: Modality, leg: number, x: Tensor, mode: Mode): Tensor {
    const taps = this.#taps[modality];
    const stages = this[modality].stages.slice((taps[leg - 1] ?? -1) + 1, (taps[leg] ?? Infinity) + 1);
    return stages.reduce((y, stage) => runStage(stage, y, mode), x);
  }
}

/**
 * A fresh two-stream network on the device of its backbones; equal seeds give equal weights of the fusion. Throws
 * `ShapeError` as `TwoStreamNetwork` does, and for a backbone that is missing or without weights.
 */
export function twoStream(
  given: TwoStreamOptions & Pair<Backbone> & { readonly seed?: number },
): TwoStreamNetwork {
  checkNames('twoStream', given, ['rgb', 'skeleton', 'seed', 'classes', 'fusion', 'dropout', 'taps']);
  const { rgb, skeleton, seed = 1, ...options } = given;
  need(typeof rgb?.parameters === 'function', 'twoStream', 'rgb, a backbone', rgb);
  const device = rgb.parameters()[0]?.device;
  if (!device) throw new ShapeError('twoStream', 'needs backbones with weights');
  return new TwoStreamNetwork(new Initialiser(device, seed), rgb, skeleton, options);
}

function hasHead(backbone: Backbone): boolean {
  return backbone instanceof Network && backbone.head !== undefined;
}

/** What heads see: f32, whatever the map is. */
function pooled(backbone: Backbone, map: Tensor, mode: Mode): Tensor {
  return toF32(backbone.pool(map, mode));
}

function end(backbone: Backbone, map: Tensor, mode: Mode): StreamEnd {
  const features = pooled(backbone, map, mode);
  const logits = backbone instanceof Network && backbone.head && (() => backbone.classify(features, mode));
  return { features, logits: logits || undefined };
}

/** The taps of both, of one with more its last ones: fusions are for late stages. */
function lastTaps(rgb: Backbone, skeleton: Backbone): Pair<readonly number[]> {
  const count = Math.min(rgb.taps.length, skeleton.taps.length);
  const last = ({ taps }: Backbone) => taps.slice(taps.length - count);
  return { rgb: last(rgb), skeleton: last(skeleton) };
}

function checkTaps(
  taps: Pair<readonly number[]>,
  { rgb, skeleton }: Pair<Backbone>,
): Pair<readonly number[]> {
  const ascends = (list: readonly number[], backbone: Backbone) =>
    list.every((tap, i) => tap > (list[i - 1] ?? -1) && tap < backbone.stages.length);
  check(
    taps.rgb.length === taps.skeleton.length && ascends(taps.rgb, rgb) && ascends(taps.skeleton, skeleton),
    'TwoStreamNetwork',
    () =>
      `needs as many ascending taps of both backbones; got stages [${taps.rgb}] of ${rgb.stages.length} and ` +
      `[${taps.skeleton}] of ${skeleton.stages.length}`,
  );
  return taps;
}
