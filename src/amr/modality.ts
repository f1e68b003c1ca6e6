import { need } from '../errors.ts';
import type { Modality } from './action-network.ts';

/** Throws `ShapeError` for what is no modality. Here, since all that action-network.ts exports is public. */
export function checkModality(op: string, modality: Modality): void {
  need(modality === 'rgb' || modality === 'skeleton', op, "'rgb' or 'skeleton'", modality);
}
