/** What a delivery pushes, read from the view of waiting messages, page by page. */
import { hex } from '../engine/identity.ts';
import type { Digest, Views } from '../engine/ports.ts';
import type { SnapshotData } from '../machines/delivery/events.ts';
import { key } from '../projections/change.ts';
import { type WaitingRow, waitingView } from '../projections/waiting-messages.ts';

/** One waiting message and its place in the order. */
export interface WaitingMessage {
  readonly id: string;
  /** Mailbox revision at which it became pushable. */
  readonly revision: number;
}

/** Mailbox revisions, `after` exclusive, `through` inclusive; -1 is before the first. */
export interface RevisionRange {
  readonly after: number;
  readonly through: number;
}

const PAGE_ROWS = 500;

/** Waiting messages that became pushable within the range, in log order (A-32, T-28). */
export async function* waitingWithin(
  views: Views,
  account: string,
  range: RevisionRange,
): AsyncGenerator<WaitingMessage> {
  const to = key(account, range.through + 1);
  let from = key(account, range.after + 1);
  for (;;) {
    const rows = await views.range<WaitingRow>(waitingView, { from, to, limit: PAGE_ROWS });
    for (const [at, { id }] of rows) {
      yield { id, revision: Number(at.slice(at.lastIndexOf(' ') + 1)) };
    }
    const last = rows.at(-1);
    if (!last || rows.length < PAGE_ROWS) return;
    from = `${last[0]}!`;
  }
}

/** Count and digest of a range: what SnapshotTaken and SnapshotExtended record. */
export async function snapshotOf(
  views: Views,
  digest: Digest,
  account: string,
  range: RevisionRange,
): Promise<SnapshotData> {
  const ids: string[] = [];
  for await (const { id } of waitingWithin(views, account, range)) ids.push(`${id}\n`);
  const octets = digest.sha256(new TextEncoder().encode(ids.join('')));
  return { through: range.through, count: ids.length, digest: hex(octets) };
}

/** The newest revision at which a message of the account became pushable. */
export async function newestWaiting(views: Views, account: string): Promise<number | undefined> {
  const range = { from: key(account, 0), to: `${account}!`, reverse: true, limit: 1 };
  const rows = await views.range(waitingView, range);
  const at = rows[0]?.[0];
  return at === undefined ? undefined : Number(at.slice(at.lastIndexOf(' ') + 1));
}
