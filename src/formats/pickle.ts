import { ByteReader } from './byte-reader.ts';
import { OPCODES, REFUSED } from './pickle-opcodes.ts';

/** A dictionary of a pickle, in its order. */
export type PickleDict = Map<string | number | bigint | boolean, unknown>;

export interface PickleOptions {
  readonly op: string;
  /** What the file is called in errors. */
  readonly what: string;
  /** Where the pickle begins. */
  readonly at?: number;
  /** What a global stands for, by its dotted name; undefined refuses it. */
  readonly global: (name: string) => unknown;
  /** What a persistent id stands for. */
  readonly persistent: (id: unknown, fail: (problem: string) => never) => unknown;
}

/**
 * The machine that reads pickles of protocols 2 to 5. It knows numbers, strings, bytes, lists, tuples (as lists),
 * dictionaries, and the globals it is given; it imports nothing and runs nothing of the file. Time and memory stay in
 * proportion to the file, since each opcode makes at most one value of the bytes that follow it, and calls are counted.
 */
export class PickleMachine {
  readonly reader: ByteReader;
  readonly memo = new Map<number, unknown>();
  readonly options: PickleOptions;
  stack: unknown[] = [];
  /** Stacks below each open mark. */
  readonly marks: unknown[][] = [];
  /** Elements of the lists that calls were given. */
  #given = 0;

  constructor(bytes: Uint8Array, options: PickleOptions) {
    this.reader = new ByteReader(bytes, options);
    this.options = options;
  }

  /** Runs up to STOP. */
  run(): unknown {
    const { reader } = this;
    if (reader.u8() !== 0x80) reader.fail(`no pickle begins at byte ${reader.at - 1}`);
    const protocol = reader.u8();
    if (protocol < 2 || protocol > 5) reader.fail(`pickle protocol ${protocol}; expected 2 to 5`);
    for (;;) {
      const begin = reader.at;
      const code = reader.u8();
      if (code === STOP) break;
      const opcode = OPCODES.get(code);
      if (!opcode) this.fail(`refuses the opcode ${nameOf(code)} at byte ${begin}: ${PLAIN}`);
      opcode(this);
    }
    const value = this.pop();
    if (this.stack.length + this.marks.length > 0) this.fail('the pickle ends with values left over');
    return value;
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  pop(): unknown {
    if (this.stack.length === 0) this.fail(`nothing to take from the stack before byte ${this.reader.at}`);
    return this.stack.pop();
  }

  /** The value on top, which must be a `kind` of container. */
  top<T>(kind: new (...args: never[]) => T, expected: string): T {
    const value = this.stack.at(-1);
    if (!(value instanceof kind)) this.fail(`${expected} is expected before byte ${this.reader.at}`);
    return value;
  }

  /** What was pushed since the last mark. */
  popMark(): unknown[] {
    const items = this.stack;
    const below = this.marks.pop();
    if (!below) this.fail(`there is no mark before byte ${this.reader.at}`);
    this.stack = below;
    return items;
  }

  /** Counts what a call will read: a remembered list can be given to a call again for a few bytes. */
  countArguments(args: readonly unknown[]): void {
    const lists = args.slice(0, MOST_ARGUMENTS).filter(Array.isArray);
    this.#given += lists.reduce((sum, { length }) => sum + length, 0);
    if (this.#given > this.reader.bytes.length) this.fail('its lists are read too many times over');
  }

  global(name: string): unknown {
    return (
      this.options.global(name) ??
      this.fail(
        `refuses the global ${JSON.stringify(name.slice(0, 100))}: ${PLAIN}; save model.state_dict() instead`,
      )
    );
  }

  /** Sets pairs of key and value in the dictionary on top. */
  setItems(items: readonly unknown[]): void {
    const dict = this.top<PickleDict>(Map, 'a dictionary');
    if (items.length % 2 === 1) this.fail(`a key without a value before byte ${this.reader.at}`);
    for (let i = 0; i < items.length; i += 2) setItem(dict, items[i], items[i + 1], this.fail);
  }

  readonly fail: (problem: string) => never = (problem) => this.reader.fail(problem);
}

/** Throws by `fail` for a key that is no plain value, or there already. */
export function setItem(
  dict: PickleDict,
  key: unknown,
  value: unknown,
  fail: (problem: string) => never,
): void {
  if (
    typeof key !== 'string' &&
    typeof key !== 'number' &&
    typeof key !== 'bigint' &&
    typeof key !== 'boolean'
  )
    fail('a key of a dictionary is neither text nor a number');
  if (dict.has(key)) fail(`a dictionary has the key ${JSON.stringify(String(key).slice(0, 100))} twice`);
  dict.set(key, value);
}

const STOP = 0x2e;
/** No callable looks at more. */
const MOST_ARGUMENTS = 8;
const PLAIN = 'only tensors and plain containers are read';

function nameOf(code: number): string {
  const hex = `0x${code.toString(16).padStart(2, '0')}`;
  return REFUSED[code] ? `${REFUSED[code]} (${hex})` : hex;
}
