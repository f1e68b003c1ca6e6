import { length64, minus, plus, times } from './balls64.ts';
import { margin64, objective64 } from './losses64.ts';
import { type Sample64, tieRoom } from './smallest64.ts';
import type { Row } from './tanh-net.ts';

export interface Cw64 {
  readonly steps: number;
  readonly searches: number;
  readonly c: number;
  readonly confidence: number;
  readonly learningRate: number;
}

export interface CwStep {
  /** Where the next step begins: after a search the clean point. */
  readonly x: Row;
  readonly c: number;
  /** The smallest change so far that was enough. */
  readonly size: number;
  /** Whether this c was enough; undefined within a search. */
  readonly hit: boolean | undefined;
  readonly closest: number;
}

/** x = (tanh w + 1)/2 of the range, its derivative and its inverse. */
function variable64([low, high]: readonly [number, number]) {
  const half = (high - low) / 2;
  return {
    point: (w: Row) => w.map((value) => low + half * (Math.tanh(value) + 1)),
    slope: (w: Row) => w.map((value) => half * (1 - Math.tanh(value) ** 2)),
    inverse: (x: Row) => x.map((value) => Math.atanh(0.999999 * ((value - low) / half - 1))),
  };
}

/** Adam (Kingma & Ba 2015, algorithm 1), downwards. */
function adam64(size: number, rate: number) {
  let [mean, square] = [new Array<number>(size).fill(0), new Array<number>(size).fill(0)];
  let t = 0;
  return (w: Row, g: Row) => {
    t++;
    mean = plus(times(mean, 0.9), g, 0.1);
    square = square.map((value, i) => 0.999 * value + 0.001 * (g[i] ?? 0) ** 2);
    const step = mean.map(
      (m, i) => m / (1 - 0.9 ** t) / (Math.sqrt((square[i] ?? 0) / (1 - 0.999 ** t)) + 1e-8),
    );
    return plus(w, step, -rate);
  };
}

/** CW ℓ2 (Carlini & Wagner 2017, section VI-A): minimises ‖x(w) − x₀‖² + c · max(−margin, −κ) for c after c. */
export function cw64(sample: Sample64, options: Cw64): CwStep[] {
  const { net, origin, y, range = [0, 1] } = sample;
  const { steps, searches, confidence, learningRate } = options;
  const [f, variable] = [objective64(net, margin64, y), variable64(range)];
  const from = variable.inverse(origin);
  let { c } = options;
  let [lower, upper, size] = [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let closest = tieRoom(sample, origin);
  const seen: CwStep[] = [];
  for (let search = 0; search < searches; search++) {
    let [w, hit] = [from as Row, false];
    const adam = adam64(w.length, learningRate);
    for (let step = 1; step <= steps; step++) {
      const x = variable.point(w);
      const [margin, length] = [f.value(x), length64(minus(x, origin), 'l2')];
      closest = Math.min(closest, Math.abs(margin - confidence), f.room(x), tieRoom(sample, x));
      const enough = margin >= confidence && f.fooled(x);
      hit ||= enough;
      if (enough) size = Math.min(size, length);
      const pull = margin < confidence ? times(f.slope(x), -c) : times(x, 0);
      const outer = plus(pull, minus(x, origin), 2);
      const inner = variable.slope(w);
      const grad = outer.map((value, i) => value * (inner[i] ?? 0));
      // Adam's first step goes by signs.
      if (step === 1) closest = Math.min(closest, ...grad.map((value) => Math.abs(value) / c));
      w = adam(w, grad);
      seen.push({ x: variable.point(w), c, size, hit: undefined, closest });
    }
    if (hit) upper = Math.min(upper, c);
    else lower = Math.max(lower, c);
    c = upper < Number.POSITIVE_INFINITY ? (lower + upper) / 2 : 10 * c;
    seen[seen.length - 1] = { x: variable.point(from), c, size, hit, closest };
  }
  return seen;
}
