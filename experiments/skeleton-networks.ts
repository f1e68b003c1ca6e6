import { sub } from '../src/kernels/elementwise.ts';
import { slice } from '../src/kernels/layout.ts';
import { Backbone, Stage } from '../src/models/backbone.ts';
import { CtrGcn } from '../src/models/ctr-gcn.ts';
import { Hcn } from '../src/models/hcn.ts';
import { centreOf } from '../src/models/skeleton-graph.ts';
import { StGcn } from '../src/models/st-gcn.ts';
import { StGcn18 } from '../src/models/st-gcn-18.ts';
import type { Initialiser } from '../src/nn/initialisers.ts';
import type { Layer, Mode } from '../src/nn/module.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import type { NetworkSizes } from './presets.ts';

export const SKELETON_NETWORKS = ['st-gcn', 'st-gcn-18', 'hcn', 'ctr-gcn'] as const;
export type SkeletonNetworkName = (typeof SKELETON_NETWORKS)[number];

/** Skeletons of a data set: frames and the parent of each joint. */
interface Skeletons {
  readonly frames: number;
  readonly parents: readonly number[];
}

/** `st-gcn` has a block a stage, with the preset's widths; the others are published networks that start at its first width. */
export function skeletonBackbone(
  init: Initialiser,
  { frames, parents }: Skeletons,
  sizes: NetworkSizes,
): Backbone {
  const { streams, temporalKernel, dropout, skeletonWidths: widths, skeletonStrides: strides } = sizes;
  const width = widths[0];
  const published = (network: Backbone) => new Centred(network, centreOf(parents));
  switch (sizes.skeletonNetwork) {
    case 'st-gcn':
      return new StGcn(init, { parents, streams, widths, strides, temporalKernel, dropout });
    case 'st-gcn-18':
      return published(new StGcn18(init, { parents, width, dropout }));
    case 'hcn':
      return published(new Hcn(init, { joints: parents.length, frames, width: 2 * width, dropout }));
    case 'ctr-gcn':
      return published(new CtrGcn(init, { parents, width, persons: 1 }));
  }
}

/** A backbone that sees skeletons from their central joint in the first frame: x [N, T, V, 3] in metres. */
class Centred extends Backbone {
  readonly network: Backbone;
  readonly #centre: number;

  constructor(network: Backbone, centre: number) {
    super();
    this.network = network;
    this.#centre = centre;
  }

  get channels(): readonly number[] {
    return this.network.channels;
  }

  get stages(): readonly Layer[] {
    const [first, ...rest] = this.network.stages as [Layer, ...Layer[]];
    return [new Stage((x, mode) => first.forward(this.#centred(x), mode)), ...rest];
  }

  override get taps(): readonly number[] {
    return this.network.taps;
  }

  override pool(features: Tensor, mode: Mode): Tensor {
    return this.network.pool(features, mode);
  }

  #centred(x: Tensor): Tensor {
    const size = [x.shape[0], 1, 1, x.shape[3]];
    return sub(x, slice(x, { begin: [0, 0, this.#centre, 0], size }));
  }
}
