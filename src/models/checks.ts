import { check } from '../errors.ts';

/** Throws `ShapeError` unless a network's width is a whole number above 0 that `unit` divides. */
export function checkWidth(network: string, width: number, unit = 1): void {
  const fits = width > 0 && Number.isInteger(width / unit);
  check(fits, network, () => `width must be a multiple of ${unit}, above 0; got ${width}`);
}

/** Throws `ShapeError` for an option that is no key of its table. */
export function checkKnown(network: string, name: string, value: string | number, table: object): void {
  const known = Object.keys(table);
  check(known.includes(String(value)), network, () => `${name} must be ${known.join(', ')}; got ${value}`);
}
