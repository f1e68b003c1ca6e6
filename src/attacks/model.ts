import { AttackError, check, checkNames, need, ShapeError } from '../errors.ts';
import type { OpCall, Recorder } from '../tensor/recorder.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { StepSeed } from './stepper.ts';

/** Inputs by the names of their modalities, such as `{ rgb, skeleton }`; each [N, …]. */
export type AttackInputs = Readonly<Record<string, Tensor>>;

/** Smallest and largest valid value. */
export type ValueRange = readonly [number, number];

/**
 * What an attack needs to know of a network. Preprocessing (normalisation, centring) belongs inside `logits`, so that ε and
 * the range are in the units of the inputs.
 */
export interface AttackModel {
  /** The inputs it takes, and the range of valid values of each; undefined where every number is valid. */
  readonly inputs: Readonly<Record<string, ValueRange | undefined>>;
  /** Inputs → logits [N, classes], in evaluation mode. A network that draws random numbers draws them by `seed`. */
  logits(inputs: AttackInputs, seed: StepSeed): Tensor;
  /**
   * Over how many draws losses, gradients and logits are averaged (expectation over transformation, Athalye et al. 2018);
   * 1 when left out. Give it for networks with randomness, which may then use dropout; at most 128.
   */
  readonly draws?: number | undefined;
}

/**
 * A model from the ranges of its inputs by name and a function of them: `attackModel({ x: [0, 1] }, ({ x }) => net.forward(x, EVALUATION))`.
 * See `AttackModel`.
 */
export function attackModel<K extends string>(
  inputs: Readonly<Record<K, ValueRange | undefined>>,
  logits: (inputs: Readonly<Record<K, Tensor>>, seed: StepSeed) => Tensor,
  options: Pick<AttackModel, 'draws'> = {},
): AttackModel {
  checkNames('attackModel', options, ['draws']);
  checkModel('attackModel', { inputs, logits });
  return { inputs, logits: (given, seed) => logits(given as Record<K, Tensor>, seed), ...options };
}

/** Throws `ShapeError` for what is no model, as plain JavaScript may pass. */
function checkModel(op: string, model: Pick<AttackModel, 'inputs'> & { readonly logits: unknown }): void {
  const fits = Object(model?.inputs) === model?.inputs && typeof model.logits === 'function';
  const isNetwork = typeof (model as { forward?: unknown } | undefined)?.forward === 'function';
  const made = isNetwork ? ', such as attackModel makes of a network' : '';
  need(fits, op, `a model: inputs by name, and a function to logits${made}`, model);
  for (const [name, range] of Object.entries(model.inputs))
    need(
      range === undefined || Array.isArray(range),
      op,
      `${name}: a range [low, high], or undefined`,
      range,
    );
}

/** Throws `ShapeError` for a modality that the model lacks, one that is missing, and a batch that differs. */
export function checkInputs(op: string, model: AttackModel, inputs: AttackInputs): void {
  const example = inputs instanceof Tensor ? 'such as { x }' : 'a Tensor each';
  need(Object(inputs) === inputs && !(inputs instanceof Tensor), op, `inputs by name, ${example}`, inputs);
  const given = Object.keys(inputs);
  checkModalities(op, model, given);
  for (const [name, x] of Object.entries(inputs)) need(x instanceof Tensor, op, `${name}, a Tensor`, x);
  const known = Object.keys(model.inputs);
  const missing = known.find((name) => !given.includes(name));
  check(missing === undefined, op, () => `the model takes ${known.join(', ')}; ${missing} is missing`);
  const batches = new Set(Object.values(inputs).map(({ shape }) => shape[0] ?? 0));
  check(batches.size === 1, op, () => `inputs must be of one batch; got ${Object.values(inputs)}`);
  const wrong = Object.values(inputs).find(({ dtype }) => dtype !== 'f32');
  check(wrong === undefined, op, () => `inputs must be f32; got ${wrong}`);
}

/** Throws `ShapeError` for a name that is no input of the model. */
export function checkModalities(op: string, model: AttackModel, names: readonly string[]): void {
  checkModel(op, model);
  const known = Object.keys(model.inputs);
  const unknown = names.find((name) => !known.includes(name));
  check(unknown === undefined, op, () => `the model has no '${unknown}'; it takes ${known.join(', ')}`);
}

const DRAWS = 128;

/**
 * The clean logits. Throws `ShapeError` unless they are [N, classes], `AttackError` for a model in training mode: one that
 * normalises by batch statistics, or uses dropout without saying that it is random.
 */
export function cleanLogits(op: string, model: AttackModel, inputs: AttackInputs): Tensor {
  const { draws = 1 } = model;
  const counts = Number.isInteger(draws) && draws >= 1 && draws <= DRAWS;
  check(counts, op, () => `draws must be in 1 … ${DRAWS}; got ${draws}`);
  const [first] = Object.values(inputs) as [Tensor];
  const ops = new Set<string>();
  const logits = watched(first, ops, () => model.logits(inputs, 0));
  need(logits instanceof Tensor, op, `a model that gives logits [${first.shape[0]}, classes]`, logits);
  const [n, classes] = logits.shape;
  if (logits.dtype !== 'f32' || logits.shape.length !== 2 || n !== first.shape[0] || !classes)
    throw new ShapeError(op, `the model must give logits [${first.shape[0]}, classes]; got ${logits}`);
  const training = ops.has('batchNorm') || (ops.has('dropout') && model.draws === undefined);
  if (training)
    throw new AttackError(
      op,
      'the model is in training mode (batch statistics, or dropout without `draws`); call it in evaluation mode',
    );
  return logits;
}

/** Runs `action` and notes the names of the ops it calls. */
function watched<R>(x: Tensor, ops: Set<string>, action: () => R): R {
  const { recorders } = x.device;
  const watcher: Recorder = {
    record: ({ op }: OpCall) => void ops.add(op),
    tracks: () => false,
    needs: () => false,
    holds: () => false,
  };
  recorders.push(watcher);
  try {
    return action();
  } finally {
    recorders.splice(recorders.lastIndexOf(watcher), 1);
  }
}
