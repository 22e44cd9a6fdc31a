import type { Change, View } from '../engine/ports.ts';

/** Builders of changes that keep a row's type. Parts of a key never contain a space. */

export function put<Row>(view: View<Row>, key: string, row: Row): Change {
  return { view: view.name, key, put: row };
}

export function remove(view: View<unknown>, key: string): Change {
  return { view: view.name, key, remove: true };
}

/** `undefined` in: no row yet; `undefined` out: no row any more. */
export function fold<Row>(
  view: View<Row>,
  key: string,
  next: (row: Row | undefined) => Row | undefined,
): Change {
  return { view: view.name, key, fold: (row) => next(row as Row | undefined) };
}

const NUMBER_DIGITS = 16;

/** Joins parts of a key so that numbers sort by value. Numbers are non-negative integers. */
export function key(...parts: readonly (string | number)[]): string {
  return parts
    .map((part) => (typeof part === 'number' ? String(part).padStart(NUMBER_DIGITS, '0') : part))
    .join(' ');
}

/** The range of all keys that begin with these parts. `!` is the octet after the space. */
export function under(...parts: readonly (string | number)[]): { from: string; to: string } {
  const prefix = key(...parts);
  return { from: `${prefix} `, to: `${prefix}!` };
}
