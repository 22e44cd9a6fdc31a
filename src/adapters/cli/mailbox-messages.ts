/** The messages of one mailbox: what waits, and what is set aside. */
import { depositStream } from '../../deferral/account.ts';
import { streamName } from '../../engine/stream-name.ts';
import { under } from '../../projections/change.ts';
import {
  expiryView,
  type MailboxRow,
  type MessageRow,
  messageView,
  waitingView,
} from '../../projections/waiting-messages.ts';
import { parseSip } from '../../wire/sip/message.ts';
import type { Store } from './command-line.ts';
import { section, table, utc } from './table.ts';

export type ShownMessage = Awaited<ReturnType<typeof shown>>;

/** Rows looked at together. */
const PAGE_ROWS = 1_000;

/** The request that a message came by: it says from whom and about what. */
async function requestOf(store: Store, { account, deferred, source }: MessageRow) {
  // Of a Large message: the INVITE, with which its session began.
  const [stream, from] = source
    ? [depositStream(source.deposit), 0]
    : [streamName('mailbox', account), deferred];
  for await (const { octets } of store.read(stream, { from, limit: 1 })) {
    return octets && parseSip(octets, 'exact').message;
  }
  return undefined;
}

async function shown(store: Store, id: string, row: MessageRow) {
  const { state, kind, receivedAt, bytes, expiresAt, attempts, source } = row;
  const request = await requestOf(store, row);
  const from = request?.first('from');
  const subject = request?.first('subject');
  return {
    ...{ id, kind, state, receivedAt },
    ...(from === undefined ? {} : { from }),
    ...(subject === undefined ? {} : { subject }),
    ...{ bytes, expiresAt: expiresAt ?? null, attempts },
    ...(source ? { session: depositStream(source.deposit) } : {}),
  };
}

/** What waits, in the order of delivery. */
export async function waitingMessages(store: Store, account: string, limit: number) {
  const rows = await store.range(waitingView, { ...under(account), limit });
  const messages: ShownMessage[] = [];
  for (const [, { id }] of rows) {
    const row = await store.get(messageView, id);
    if (row) messages.push(await shown(store, id, row));
  }
  return messages;
}

/** What is held or parked, in the order of expiry; `count`: how many there are of it. */
export async function messagesAside(
  store: Store,
  account: string,
  { count, limit }: { readonly count: number; readonly limit: number },
) {
  const messages: ShownMessage[] = [];
  const wanted = Math.min(count, limit);
  let { from } = under(account);
  const { to } = under(account);
  while (messages.length < wanted) {
    const page = await store.range(expiryView, { from, to, limit: PAGE_ROWS });
    for (const [, { id }] of page) {
      const row = await store.get(messageView, id);
      const isAside = row?.state === 'held' || row?.state === 'parked';
      if (isAside && messages.length < wanted) messages.push(await shown(store, id, row));
    }
    const last = page.at(-1)?.[0];
    if (last === undefined || page.length < PAGE_ROWS) break;
    from = `${last}\u0001`;
  }
  return messages;
}

const HEAD = ['id', 'received', 'kind', 'from', 'subject', 'bytes', 'expires'];

function cells({ id, receivedAt, kind, from, subject, bytes, expiresAt }: ShownMessage) {
  return [
    id,
    utc(receivedAt),
    kind,
    from,
    subject,
    bytes,
    expiresAt === null ? 'never' : utc(expiresAt),
  ];
}

function more(shownCount: number, total: number): string {
  return total > shownCount ? `(${shownCount} of ${total} shown: --limit)\n` : '';
}

export function messageTables(
  { waiting, aside }: Readonly<Record<'waiting' | 'aside', readonly ShownMessage[]>>,
  totals: Pick<MailboxRow, 'waiting' | 'held' | 'parked'>,
): string {
  const waitingText = table(HEAD, waiting.map(cells)) + more(waiting.length, totals.waiting);
  const asideText =
    table(
      ['state', ...HEAD, 'came by'],
      aside.map((message) => [message.state, ...cells(message), message.session]),
    ) + more(aside.length, totals.held + totals.parked);
  return (
    section('waiting', waitingText, waiting.length === 0) +
    (aside.length === 0 ? '' : section('held or parked', asideText, false))
  );
}
