// Which tensors of a checkpoint are the weights, and what they are called.
import { TorchView } from './torch-pickle.ts';

type Fail = (problem: string) => never;

/** Where training scripts put the state_dict beside epoch, accuracy and optimiser. */
const STATE_KEYS = ['state_dict', 'model_state_dict', 'model', 'net', 'network', 'weights', 'state'];
const DEEPEST = 32;
/** Names may take this many characters for each byte of the file, and `NAME_ROOM` more. */
const NAME_GROWTH = 4;
const NAME_ROOM = 1e6;

/**
 * The part of a checkpoint that holds the weights: what the path `root` leads to, else what stands under one of the usual
 * keys, else the whole where it holds tensors itself, else the one dictionary in it that does.
 */
export function findState(value: unknown, root: string | undefined, fail: Fail): unknown {
  if (root !== undefined) return root === '' ? value : follow(value, root.split('.'), fail);
  if (!(value instanceof Map)) return value;
  const usual = STATE_KEYS.find((key) => holdsTensors(value.get(key)));
  if (usual !== undefined) return value.get(usual);
  if (holdsTensors(value)) return value;
  // A part may stand under any number of keys: it is looked at once.
  const parts = new Set([...value.values()].filter((part) => part instanceof Map));
  const holding = new Set([...parts].filter(holdsTensors));
  const candidates = [...value].filter(([, part]) => holding.has(part));
  if (candidates.length > 1)
    fail(`holds several state_dicts; name one as root: ${candidates.map(([key]) => String(key)).join(', ')}`);
  return candidates[0] ? candidates[0][1] : value;
}

function holdsTensors(value: unknown): boolean {
  if (!(value instanceof Map)) return false;
  for (const part of value.values()) if (part instanceof TorchView) return true;
  return false;
}

function follow(value: unknown, path: readonly string[], fail: Fail): unknown {
  return path.reduce((part, key) => {
    const next = part instanceof Map ? part.get(key) : undefined;
    return next ?? fail(`holds nothing under "${key}" of the root "${path.join('.')}"`);
  }, value);
}

/**
 * Tensors by their path through dictionaries and lists, keys joined by dots; other values are left out. `size`, the bytes of
 * the file, bounds how many values are looked at and how long the names are together, for containers that hold each other many times over.
 */
export function namedViews(value: unknown, size: number, fail: Fail): Map<string, TorchView> {
  const found = new Map<string, TorchView>();
  let seen = 0;
  let spelled = 0;
  const visit = (part: unknown, path: string, depth: number): void => {
    if (++seen > size) fail('its containers hold each other too many times over');
    if (depth > DEEPEST) fail(`its containers are nested more than ${DEEPEST} deep`);
    if (part instanceof TorchView) {
      spelled += path.length;
      if (spelled > NAME_GROWTH * size + NAME_ROOM) fail('the names of its tensors are too long together');
      if (found.has(path)) fail(`two tensors have the name "${path}"`);
      found.set(path, part);
    } else if (part instanceof Map || Array.isArray(part)) {
      for (const [key, item] of part.entries())
        visit(item, path === '' ? `${key}` : `${path}.${key}`, depth + 1);
    }
  };
  visit(value, '', 0);
  return found;
}
