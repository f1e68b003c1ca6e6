import type { ActionNetwork } from '../../src/amr/action-network.ts';
import { SingleStreamNetwork } from '../../src/amr/action-network.ts';
import { Backbone } from '../../src/models/backbone.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { Linear } from '../../src/nn/layers.ts';
import type { Layer } from '../../src/nn/module.ts';
import type { Device } from '../../src/tensor/device.ts';

/** Features without batch normalisation or dropout: an affine map, averaged over frames and joints. */
class Affine extends Backbone {
  readonly stages: readonly Layer[];
  readonly channels: readonly number[];
  constructor(init: Initialiser, more: readonly Layer[]) {
    super();
    this.stages = [new Linear(init, { in: 3, out: 2 }), ...more];
    this.channels = this.stages.map(() => 2);
  }
}

/** Of poses: `more` follows the affine map. */
export function affineNetwork(device: Device, more: readonly Layer[] = []): ActionNetwork {
  const init = new Initialiser(device, 1);
  return new SingleStreamNetwork(init, 'skeleton', new Affine(init, more), { classes: 2 });
}
