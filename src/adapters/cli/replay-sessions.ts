/** The sessions of senders that concern one account, folded from the log. */
import { depositStream, mailboxStream } from '../../deferral/account.ts';
import type { Position } from '../../engine/recorded.ts';
import type { LargeSource } from '../../machines/mailbox/events.ts';
import { openDepositView } from '../../projections/large-messages.ts';
import type { Session, Store } from './command-line.ts';
import { type Folded, foldStream } from './fold.ts';
import { section, table, utc } from './table.ts';

/** A session that has not ended, as the chart knows it. */
export interface OpenSession {
  readonly session: string;
  readonly state: string;
  /** Epoch milliseconds of the offer. */
  readonly openedAt: number;
  readonly callId: string;
  readonly sender: string;
  /** Messages that came whole, and those that never will. */
  readonly completed: number;
  readonly aborted: number;
}

export interface SenderSessions {
  readonly open: readonly OpenSession[];
  /** Of those that left a message; the others are found by their stream alone. */
  readonly ended: number;
  readonly folded: readonly Folded[];
}

interface Context {
  readonly account: string;
  readonly dialog: { readonly callId: string; readonly remote: string } | null;
  readonly completed: number;
  readonly aborted: number;
}

/** Sessions that ever left a message in this mailbox, and those that are open now, of anybody. */
async function depositsOf(store: Store, account: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const { data } of store.read(mailboxStream(account))) {
    const { source } = data as { readonly source?: LargeSource };
    if (source) found.add(source.deposit);
  }
  for (const [deposit] of await store.range(openDepositView)) found.add(deposit);
  return found;
}

export async function senderSessions(
  { charts }: Session,
  store: Store,
  { account, at }: { readonly account: string; readonly at: Position | undefined },
): Promise<SenderSessions> {
  const open: OpenSession[] = [];
  const folded: Folded[] = [];
  let ended = 0;
  for (const deposit of await depositsOf(store, account)) {
    const one = await foldStream(charts, store, { stream: depositStream(deposit), at });
    const { account: whose, dialog, completed, aborted } = one.state.context as Context;
    const [first] = one.events;
    if (first === undefined || whose !== account) continue;
    folded.push(one);
    if (one.state.value === 'ended') ended += 1;
    else {
      open.push({
        ...{ session: first.event.stream, state: one.state.value, openedAt: first.event.at },
        ...{ callId: dialog?.callId ?? '', sender: dialog?.remote ?? '', completed, aborted },
      });
    }
  }
  return { open, ended, folded };
}

export function sessionsText({ open, ended }: SenderSessions): string {
  if (open.length === 0 && ended === 0) return '';
  const past =
    ended === 0 ? '' : `${ended} that left messages ${ended === 1 ? 'has' : 'have'} ended`;
  if (open.length === 0) return `\nsessions of senders: none open, ${past}\n`;
  const rows = open.map(({ session, state, openedAt, sender, completed, aborted }) => [
    session,
    state,
    utc(openedAt),
    sender,
    completed,
    aborted,
  ]);
  const head = ['session', 'state', 'opened', 'sender', 'messages', 'aborted'];
  const more = past === '' ? '' : `(${past})\n`;
  return section('sessions of senders', table(head, rows) + more, false);
}
