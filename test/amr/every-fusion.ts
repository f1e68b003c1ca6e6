import { amr } from '../../src/amr/amr.ts';
import { fim } from '../../src/amr/fim.ts';
import type { Fusion } from '../../src/amr/fusion.ts';
import { concatenation, gated, late } from '../../src/amr/heads.ts';
import { mmtm } from '../../src/amr/mmtm.ts';
import { simMin } from '../../src/amr/sim-min.ts';

export const FUSIONS: Readonly<Record<string, () => Fusion>> = {
  late,
  concatenation,
  gated,
  mmtm,
  'mmtm as printed': () => mmtm({ version: 'paper', head: 'concat' }),
  simMin,
  fim,
  amr,
  'amr, late, without gates': () => amr({ gates: false, head: 'late', heads: 2, width: 6 }),
};
