import { isReached } from '../autograd/grad.ts';
import { AttackError } from '../errors.ts';
import { Tensor } from '../tensor/tensor.ts';

/**
 * Inside `valueAndGrad`. Throws `AttackError` where no path leads from a loss to what is attacked: all would stay as it is, and count
 * as robust.
 */
export function checkReached(op: string, loss: unknown): void {
  if (!(loss instanceof Tensor) || isReached(loss)) return;
  throw new AttackError(
    op,
    'no gradient flows from the loss to the attacked inputs: stopGradient, a comparison, argmax or integers are in the way, and all would seem robust. squareAttack needs no gradient, and auditRobustness takes such a model too',
  );
}
