import type { Epsilons } from '../src/index.ts';

export type Target = 'rgb' | 'skeleton' | 'both';

export interface AttackRequest {
  readonly sample: number;
  readonly on: Target;
  /** ε in 1/255 of the pixel range; the skeleton's goes with it. */
  readonly strength: number;
  readonly steps: number;
}

/** Metres of skeleton ε for one 1/255 of RGB ε: 8/255 goes with 2 cm. */
const METRES = 0.02 / 8;

export function epsilonsOf({ on, strength }: Pick<AttackRequest, 'on' | 'strength'>): Epsilons {
  return {
    ...(on !== 'skeleton' && { rgb: strength / 255 }),
    ...(on !== 'rgb' && { skeleton: strength * METRES }),
  };
}
