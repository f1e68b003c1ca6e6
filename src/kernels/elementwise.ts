export type { Operand } from './binary.ts';
export { add, div, mul, neg, sub } from './elementwise-arithmetic.ts';
