import { checkNames, need } from '../errors.ts';
import { Tensor } from '../tensor/tensor.ts';
import { type Budget, checkBall, elementsOf, finiteBudget } from './norms.ts';
import { pgd } from './pgd.ts';

/**
 * Fast gradient sign method: `x + ε sign ∇ₓ loss(x)`, clipped to `range` (Goodfellow et al. 2015, section 4): PGD with one
 * step of size ε from the input itself. Shape of x. Throws `ShapeError` for ε < 0, a finite ε beyond
 * the range, and a range that does not ascend.
 */
export function fgsm(loss: (x: Tensor) => Tensor, x: Tensor, budget: Budget): Tensor {
  need(typeof loss === 'function', 'fgsm', 'a loss, a function of x', loss);
  need(x instanceof Tensor, 'fgsm', 'x, a Tensor', x);
  checkNames('fgsm', budget, ['epsilon', 'norm', 'range']);
  checkBall('fgsm', budget, '', elementsOf(x));
  const { epsilon } = finiteBudget('fgsm', budget, elementsOf(x));
  return pgd(loss, x, { ...budget, epsilon, steps: 1, stepSize: epsilon, randomStart: false });
}
