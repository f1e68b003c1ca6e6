// The opcodes of pickle protocols 2 to 5 (Python's Lib/pickletools.py) that plain values need, and the names of the others.
import type { PickleMachine } from './pickle.ts';

/** A global that a pickle may call, such as `collections.OrderedDict`. It sees its arguments and nothing else. */
export class PickleCallable {
  readonly call: (args: readonly unknown[], fail: (problem: string) => never) => unknown;

  constructor(call: PickleCallable['call']) {
    this.call = call;
  }
}

type Opcode = (machine: PickleMachine) => void;

/** Integers that a number holds exactly are numbers. */
function integer(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  const signed = BigInt.asIntN(8 * bytes.length, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
}

/** No integer of a checkpoint is longer; without a limit one could keep a machine busy for hours. */
const LONGEST_INTEGER = 255;

const long4: Opcode = (m) => {
  const length = m.reader.u32();
  if (length > LONGEST_INTEGER) m.fail(`an integer has ${length} bytes; expected at most ${LONGEST_INTEGER}`);
  m.push(integer(m.reader.take(length)));
};

const reduce: Opcode = (m) => {
  const args = m.pop();
  const callable = m.pop();
  if (!(callable instanceof PickleCallable && Array.isArray(args)))
    return m.fail(`REDUCE at byte ${m.reader.at - 1} calls what cannot be called`);
  m.countArguments(args);
  m.push(callable.call(args, m.fail));
};

/** Attributes of a dictionary, such as the `_metadata` of a state_dict: checked to be plain, and dropped. */
const build: Opcode = (m) => {
  const state = m.pop();
  m.top(Map, 'a dictionary (the only object whose attributes are read)');
  if (!(state instanceof Map)) m.fail(`BUILD at byte ${m.reader.at - 1} needs a dictionary`);
};

const stackGlobal: Opcode = (m) => {
  const [name, module] = [m.pop(), m.pop()];
  if (typeof name !== 'string' || typeof module !== 'string')
    m.fail(`STACK_GLOBAL at byte ${m.reader.at - 1} needs two names`);
  m.push(m.global(`${module}.${name}`));
};

const append: Opcode = (m) => {
  const item = m.pop();
  m.top(Array<unknown>, 'a list').push(item);
};

const appends: Opcode = (m) => {
  const items = m.popMark();
  const list = m.top(Array<unknown>, 'a list');
  for (const item of items) list.push(item);
};

const tupleOf = (length: number): Opcode => {
  return (m) => {
    const items = Array.from({ length }, () => m.pop());
    m.push(items.reverse());
  };
};

function remember(m: PickleMachine, slot: number): void {
  const value = m.pop();
  m.push(value);
  m.memo.set(slot, value);
}

function recall(m: PickleMachine, slot: number): void {
  if (!m.memo.has(slot)) m.fail(`nothing was remembered as ${slot} before byte ${m.reader.at}`);
  m.push(m.memo.get(slot));
}

function binary(length: (m: PickleMachine) => number): Opcode {
  return (m) => m.push(m.reader.take(length(m)));
}

function text(length: (m: PickleMachine) => number): Opcode {
  return (m) => m.push(m.reader.text(length(m)));
}

const [u8, u32, u64] = [
  (m: PickleMachine) => m.reader.u8(),
  (m: PickleMachine) => m.reader.u32(),
  (m: PickleMachine) => m.reader.u64(),
];

export const OPCODES: ReadonlyMap<number, Opcode> = new Map<number, Opcode>([
  [
    0x28,
    (m) => {
      m.marks.push(m.stack);
      m.stack = [];
    },
  ], // MARK
  [
    0x30,
    (m) => {
      m.pop();
    },
  ], // POP
  [
    0x31,
    (m) => {
      m.popMark();
    },
  ], // POP_MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.reader.i32())], // BININT
  [0x4b, (m) => m.push(m.reader.u8())], // BININT1
  [0x4d, (m) => m.push(m.reader.u16())], // BININT2
  [0x8a, (m) => m.push(integer(m.reader.take(m.reader.u8())))], // LONG1
  [0x8b, long4], // LONG4
  [0x47, (m) => m.push(m.reader.f64be())], // BINFLOAT
  [0x58, text(u32)], // BINUNICODE
  [0x8c, text(u8)], // SHORT_BINUNICODE
  [0x8d, text(u64)], // BINUNICODE8
  [0x54, text(u32)], // BINSTRING, the text of Python 2
  [0x55, text(u8)], // SHORT_BINSTRING
  [0x42, binary(u32)], // BINBYTES
  [0x43, binary(u8)], // SHORT_BINBYTES
  [0x8e, binary(u64)], // BINBYTES8
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x61, append], // APPEND
  [0x65, appends], // APPENDS
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x85, tupleOf(1)], // TUPLE1
  [0x86, tupleOf(2)], // TUPLE2
  [0x87, tupleOf(3)], // TUPLE3
  [0x74, (m) => m.push(m.popMark())], // TUPLE
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [
    0x73,
    (m) => {
      const value = m.pop();
      m.setItems([m.pop(), value]);
    },
  ], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS
  [0x63, (m) => m.push(m.global(`${m.reader.line()}.${m.reader.line()}`))], // GLOBAL
  [0x93, stackGlobal], // STACK_GLOBAL
  [0x52, reduce], // REDUCE
  [0x62, build], // BUILD
  [0x51, (m) => m.push(m.options.persistent(m.pop(), m.fail))], // BINPERSID
  [0x71, (m) => remember(m, m.reader.u8())], // BINPUT
  [0x72, (m) => remember(m, m.reader.u32())], // LONG_BINPUT
  [0x94, (m) => remember(m, m.memo.size)], // MEMOIZE
  [0x68, (m) => recall(m, m.reader.u8())], // BINGET
  [0x6a, (m) => recall(m, m.reader.u32())], // LONG_BINGET
  [
    0x95,
    (m) => {
      m.reader.u64();
    },
  ], // FRAME: a hint for streams
]);

/** Opcodes that make or run other objects, and those of protocols 0 and 1. */
export const REFUSED: Readonly<Record<number, string>> = {
  129: 'NEWOBJ',
  146: 'NEWOBJ_EX',
  105: 'INST',
  111: 'OBJ',
  80: 'PERSID',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  128: 'PROTO',
  50: 'DUP',
  143: 'EMPTY_SET',
  144: 'ADDITEMS',
  145: 'FROZENSET',
  150: 'BYTEARRAY8',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
  73: 'INT',
  76: 'LONG',
  70: 'FLOAT',
  83: 'STRING',
  86: 'UNICODE',
  103: 'GET',
  112: 'PUT',
  108: 'LIST',
  100: 'DICT',
};
