import { check, ShapeError } from '../errors.ts';
import { formatShape, type Spec, sameShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add, exp, log, mul, neg, sub } from './elementwise.ts';
import { inF32, ofType } from './elementwise-cast.ts';
import { reshape } from './layout.ts';
import { checkFloats, checkTensors, defineOp, f32, isTracked, like } from './op.ts';
import { mean, sum } from './reduce.ts';
import { run } from './run.ts';
import { lanesFor, rowVariants, softmax } from './softmax.ts';
import { lossWgsl } from './wgsl.gen.ts';

export interface CrossEntropyOptions {
  /** ε in [0, 1]: the target is `(1 − ε)·onehot + ε/C`. 0 by default. */
  readonly labelSmoothing?: number;
  /** `mean` over the samples by default. */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

export interface KlDivOptions {
  /** `batchMean` (the mean over the samples) by default. */
  readonly reduction?: 'batchMean' | 'sum' | 'none';
  /** The target holds log-probabilities. */
  readonly logTarget?: boolean;
}

interface Smoothing {
  readonly smoothing: number;
}

const THREADS = 64;

const crossEntropyOp = defineOp<{ logits: Tensor; labels: Tensor }, Smoothing, [Spec, Spec]>({
  name: 'crossEntropy',
  outputs({ logits, labels }, { smoothing }) {
    checkCrossEntropy(logits, labels, smoothing);
    return [f32(labels.shape), f32([labels.size, 2])];
  },
  forward({ logits, labels }, [losses, stats], attrs) {
    const { params, launch, kind } = launchOf(logits, labels, attrs);
    if (kind === 'threads4') run(lossWgsl, kind, { x: logits, labels, losses, stats }, params, launch);
    else run(lossWgsl, kind, { xScalar: logits, labels, losses, stats }, params, launch);
  },
  gradient: ({ inputs: { logits, labels }, outputs: [, stats], grads: [g], attrs }) => ({
    logits: g && (() => logitsGradient(logits, labels, stats, g, attrs)),
  }),
});

function logitsGradient(logits: Tensor, labels: Tensor, stats: Tensor, g: Tensor, attrs: Smoothing): Tensor {
  if (!isTracked(logits, g)) return crossEntropyGradOp({ logits, labels, stats, g }, attrs)[0];
  const [target] = smoothedLabelsOp({ labels }, { ...attrs, classes: logits.shape.at(-1) ?? 0 });
  return inF32(logits, (wide) => mul(sub(softmax(wide), target), reshape(g, [...g.shape, 1])));
}

const crossEntropyGradOp = defineOp<
  { logits: Tensor; labels: Tensor; stats: Tensor; g: Tensor },
  Smoothing,
  [Spec]
>({
  name: 'crossEntropyGrad',
  outputs: ({ logits }) => [like(logits)],
  forward({ logits, labels, stats, g }, [dx], attrs) {
    const { params, launch, kind } = launchOf(logits, labels, attrs);
    const same = { labels, savedStats: stats, g };
    const scalars = { ...same, xScalar: logits, dxScalar: dx };
    if (kind === 'threads4') run(lossWgsl, 'gradThreads4', { ...same, x: logits, dx }, params, launch);
    else run(lossWgsl, kind === 'threads' ? 'gradThreads' : 'gradGroups', scalars, params, launch);
  },
});

/** `(1 − ε)·onehot + ε/C` [..., C] of labels [...]; NaN where a label is out of range. */
const smoothedLabelsOp = defineOp<{ labels: Tensor }, Smoothing & { classes: number }, [Spec]>({
  name: 'smoothedLabels',
  outputs: ({ labels }, { classes }) => [f32([...labels.shape, classes])],
  forward({ labels }, [target], { smoothing, classes }) {
    const params = { rows: labels.size, n: classes, smoothing };
    const groups = Math.ceil(target.size / THREADS);
    run(lossWgsl, 'smoothedLabels', { labels, dxScalar: target }, params, { groups });
  },
});

function launchOf(logits: Tensor, labels: Tensor, { smoothing }: Smoothing) {
  const { device } = logits;
  const [rows, n] = [labels.size, logits.shape.at(-1) ?? 0];
  const variant = device.variants.choose('crossEntropy', rowVariants({ rows, n, inner: 1 }, device.traits));
  const thread = variant === 'thread';
  const kind = thread ? (n % 4 === 0 ? 'threads4' : 'threads') : 'groups';
  const launch = thread
    ? { groups: Math.ceil(rows / THREADS) }
    : { groups: rows, constants: { LANES: lanesFor(n) } };
  return { kind, params: { rows, n, smoothing }, launch } as const;
}

function checkCrossEntropy(logits: Tensor, labels: Tensor, smoothing: number): void {
  const op = 'crossEntropy';
  checkFloats(op, { logits });
  if (labels.dtype !== 'i32') throw new ShapeError(op, `labels must be i32; got ${labels}`);
  const fits = (logits.shape.at(-1) ?? 0) > 0 && sameShape(labels.shape, logits.shape.slice(0, -1));
  check(
    fits,
    op,
    () =>
      `labels must be ${formatShape(logits.shape.slice(0, -1))} for logits ${formatShape(logits.shape)} ` +
      `([..., C] with C ≥ 1); got ${formatShape(labels.shape)}`,
  );
  check(smoothing >= 0 && smoothing <= 1, op, () => `labelSmoothing must be in [0, 1]; got ${smoothing}`);
}

/**
 * Cross-entropy of `softmax(logits)` with integer labels: `−Σ_c target_c · logSoftmax(logits)_c`, with
 * `target = (1 − ε)·onehot(label) + ε/C`. logits [..., C], labels i32 [...] → a number (nats), or [...] for `none`.
 * Safe for logits of any finite size. A label outside 0 … C − 1 makes its loss NaN (a GPU cannot throw).
 * Throws `ShapeError` for other shapes or dtypes or ε outside [0, 1]. Smoothing: Szegedy et al. 2016, section 7.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0, reduction = 'mean' }: CrossEntropyOptions = {},
): Tensor {
  checkTensors('crossEntropy', { logits, labels });
  const [losses] = crossEntropyOp({ logits, labels }, { smoothing: labelSmoothing });
  if (reduction === 'none') return losses;
  return reduction === 'sum' ? sum(losses) : mean(losses);
}

/** One term of the divergence for each element. */
const klTermsOp = defineOp<{ input: Tensor; target: Tensor }, { logTarget: boolean }, [Spec]>({
  name: 'klDiv',
  outputs({ input, target }) {
    check(
      input.shape.length > 0 && sameShape(input.shape, target.shape),
      'klDiv',
      () =>
        `target must have the shape of input, [..., C]; got input ${formatShape(input.shape)}, target ${formatShape(target.shape)}`,
    );
    return [f32(input.shape)];
  },
  forward({ input, target }, [dx], { logTarget }) {
    const vectors = Math.ceil(sizeOf(input.shape) / 4);
    const params = { vectors, logTarget: logTarget ? 1 : 0 };
    run(lossWgsl, 'divergence', { x: input, target4: target, dx }, params, {
      groups: Math.ceil(vectors / THREADS),
    });
  },
  gradient({ inputs: { input, target }, outputs: [terms], grads: [upstream], attrs: { logTarget } }) {
    const g = upstream as Tensor;
    return {
      input: () => neg(mul(g, logTarget ? exp(target) : target)),
      target: () => mul(g, logTarget ? add(terms, exp(target)) : sub(add(log(target), 1), input)),
    };
  },
});

/**
 * Kullback–Leibler divergence KL(target ‖ input) of each sample, a sum over the last axis: `Σ_c t_c·(log t_c − input_c)`,
 * with `input` log-probabilities and `target` probabilities, or log-probabilities with `logTarget`; 0·log 0 = 0.
 * input, target [..., C] → a number (nats), or [...] for `none`; `batchMean` divides the sum by the number of samples
 * (for [N, C] what PyTorch calls `batchmean`). Throws `ShapeError` when the shapes differ or are not f32.
 */
export function klDiv(
  input: Tensor,
  target: Tensor,
  { reduction = 'batchMean', logTarget = false }: KlDivOptions = {},
): Tensor {
  checkTensors('klDiv', { input, target });
  checkFloats('klDiv', { input, target });
  const wide = { input: ofType(input, 'f32'), target: ofType(target, 'f32') };
  const [terms] = klTermsOp(wide, { logTarget });
  const samples = sum(terms, { axes: [-1] });
  if (reduction === 'none') return samples;
  return reduction === 'sum' ? sum(samples) : mean(samples);
}
