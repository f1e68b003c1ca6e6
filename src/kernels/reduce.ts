export { broadcastTo, mean, type ReduceOptions, sum, sumTo } from './reduce-sum.ts';
