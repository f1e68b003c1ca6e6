/** Base of every error this library throws on purpose: `op` says who threw it. */
export class KernelwrightError extends Error {
  readonly op: string;
  constructor(op: string, message: string, options?: ErrorOptions) {
    super(`${op}: ${message}`, options);
    this.op = op;
    this.name = new.target.name;
  }
}

/** Shapes, dtypes or attributes that do not fit together. */
export class ShapeError extends KernelwrightError {}

/** No adapter, a lost device, exhausted memory, or a GPU error reported by the driver. */
export class DeviceError extends KernelwrightError {}

/** A shader that does not compile or a launch that does not match its shader. */
export class KernelError extends KernelwrightError {}

/** A tensor used after it was disposed of. */
export class DisposedError extends KernelwrightError {}

/** A step that cannot be recorded and replayed, or is called with what it was not recorded for. */
export class CaptureError extends KernelwrightError {}

/** Of a message about a file, whose names and shapes may be as long as it likes. */
const LONGEST_PROBLEM = 2000;

/** A file that is not what its format promises. */
export class FormatError extends KernelwrightError {
  constructor(op: string, problem: string, options?: ErrorOptions) {
    super(op, problem.length > LONGEST_PROBLEM ? `${problem.slice(0, LONGEST_PROBLEM)} …` : problem, options);
  }
}

/** How a checkpoint differs from the network it is loaded into. */
export interface StateDifference {
  /** Names the network has and the file has not. */
  readonly missing: readonly string[];
  /** Names the file has and the network has not. */
  readonly unexpected: readonly string[];
  /** Tensors of another shape or kind of number, each described as in `F32 [3, 2]`. */
  readonly misshapen: readonly { readonly name: string; readonly found: string; readonly expected: string }[];
}

/** A checkpoint of another network: all that is missing, unexpected and misshapen. */
export class StateError extends FormatError implements StateDifference {
  readonly missing: StateDifference['missing'];
  readonly unexpected: StateDifference['unexpected'];
  readonly misshapen: StateDifference['misshapen'];
  constructor(op: string, what: string, difference: StateDifference) {
    const { missing, unexpected, misshapen } = difference;
    const shapes = misshapen.map(({ name, found, expected }) => `${name} is ${found}, expected ${expected}`);
    const parts = [listed('lacks', missing), listed('has unexpected', unexpected), listed('', shapes)];
    const rest = op === 'loadTorch' ? ', or keep what fits with strict: false' : '';
    const remedy = `load it into the network that it was saved from${rest}`;
    super(op, `${what} is a checkpoint of another network: ${[...parts, remedy].filter(Boolean).join('; ')}`);
    this.missing = missing;
    this.unexpected = unexpected;
    this.misshapen = misshapen;
  }
}

/** The first names and how many more there are. */
function listed(label: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length > 8 ? `, … (${names.length} in all)` : '';
  return `${label} ${names.slice(0, 8).join(', ')}${more}`.trim();
}

/** `Float32Array`, `Map`, `Null`, …: unlike `instanceof` also for values of other frames and workers. */
export function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** Throws a `ShapeError` of `op` unless `condition` holds. The message is only built on failure. */
export function check(condition: boolean, op: string, message: () => string): asserts condition {
  if (!condition) throw new ShapeError(op, message());
}

/** A value in a few words, for messages. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `the text "${value.slice(0, 100)}"`;
  return Object(value) === value ? kindOf(value) : String(value);
}

/** Throws a `ShapeError` of `op` that says what it `needs` and what came, unless an argument `fits`: TypeScript is not always there. */
export function need(fits: boolean, op: string, needs: string, value: unknown): asserts fits {
  check(fits, op, () => `needs ${needs}; got ${shown(value)}`);
}

/** Names that are those of T, and all of them: one that is forgotten could be taken for a slip of another. */
export type AllNames<T, N extends readonly unknown[]> = [keyof T, N[number]] extends [N[number], keyof T]
  ? N
  : never;

/**
 * Throws a `ShapeError` of `op` unless the options `given` are an object, and for a name that is one of `names` but for a slip of the
 * finger. Other names are let be: an object may serve several functions.
 */
export function checkNames<T extends object, const N extends readonly string[]>(
  op: string,
  given: T,
  names: AllNames<T, N>,
  what = 'options',
): void {
  need(Object(given) === given, op, names.length > 0 ? `${what} (${names.join(', ')})` : what, given);
  for (const name of Object.keys(given)) {
    const meant = names.includes(name)
      ? undefined
      : names.find((known) => !(known in given) && isSlip(name, known));
    check(meant === undefined, op, () => `${what} have no '${name}'; '${meant}' is meant`);
  }
}

/** Whether two names differ by one letter more, less or other, by two that changed places, or by case. */
function isSlip(name: string, known: string): boolean {
  const [a, b] = [name.toLowerCase(), known.toLowerCase()];
  let begin = 0;
  while (begin < a.length && a[begin] === b[begin]) begin++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - begin && a.at(-1 - end) === b.at(-1 - end)) end++;
  const [left, right] = [a.slice(begin, a.length - end), b.slice(begin, b.length - end)];
  // Short names are near to many.
  return (
    Math.min(a.length, b.length) > 3 &&
    ((left.length < 2 && right.length < 2) || left === [...right].reverse().join(''))
  );
}

/** A model or samples that an attack cannot work on: values out of range, logits that are no numbers, training mode. */
export class AttackError extends KernelwrightError {}
