import { isDeepStrictEqual } from 'node:util';
import type { Store } from './command-line.ts';
import type { LogCheck } from './log-check.ts';

/** Rows read at a time. */
const PAGE_ROWS = 1_000;
/** A server that writes meanwhile is caught up with so often. */
const ROUNDS_MAX = 5;

export interface ViewDifference {
  readonly view: string;
  readonly rows: number;
  readonly expected: number;
  /** The first key whose rows differ. */
  readonly key: string | undefined;
}

/** A row as a store gives it back: plain JSON. */
function plain(row: unknown): unknown {
  return row === undefined ? undefined : JSON.parse(JSON.stringify(row));
}

async function differenceOf(
  store: Store,
  view: string,
  expected: ReadonlyMap<string, unknown>,
): Promise<ViewDifference | undefined> {
  let rows = 0;
  let key: string | undefined;
  let from = '';
  for (;;) {
    const page = await store.range<unknown>({ name: view }, { from, limit: PAGE_ROWS });
    for (const [at, row] of page) {
      rows += 1;
      if (key === undefined && !isDeepStrictEqual(plain(expected.get(at)), plain(row))) key = at;
    }
    const last = page.at(-1)?.[0];
    if (last === undefined || page.length < PAGE_ROWS) break;
    from = `${last}\u0001`;
  }
  if (key === undefined && rows === expected.size) return undefined;
  return { view, rows, expected: expected.size, key };
}

/**
 * Compares every view of the store with the rows that the log makes. `moving`: the log grew during
 * each comparison, so nothing can be said.
 */
export async function viewDifferences(
  store: Store,
  check: LogCheck,
): Promise<readonly ViewDifference[] | 'moving'> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const head = await store.head();
    await check.advance();
    const found: ViewDifference[] = [];
    for (const [view, expected] of check.rows) {
      const difference = await differenceOf(store, view, expected);
      if (difference) found.push(difference);
    }
    if (found.length === 0 || (await store.head()) === head) return found;
  }
  return 'moving';
}
