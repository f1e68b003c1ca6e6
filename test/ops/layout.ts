import type { OpCase } from './case.ts';

export const cases: readonly OpCase[] = [];
