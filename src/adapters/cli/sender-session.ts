/** The session of a sender in Large Message mode, as its stream tells it. */
import { depositStream } from '../../deferral/account.ts';
import type { Recorded } from '../../engine/recorded.ts';
import type { DepositEvent } from '../../machines/deposit/events.ts';
import { parseSip } from '../../wire/sip/message.ts';
import type { Store } from './command-line.ts';

export interface SenderSession {
  readonly deposit: string;
  readonly state: string;
  /** The sender's BYE. */
  readonly bye?: Recorded;
  /** How it ended when no BYE came, or that it has not ended. */
  readonly withoutBye: string;
  /** Those that name the message, its offer and how it ended. */
  readonly events: readonly Recorded[];
}

/** What the record keeps of the sender's BYE (IM-11.3.2.5-5, A-12). */
export const BYE_HEADERS = ['from', 'to', 'call-id', 'cseq', 'reason', 'date'];

export async function senderSession(
  store: Store,
  deposit: string,
  id: string,
): Promise<SenderSession> {
  const events: Recorded[] = [];
  let state = 'idle';
  let bye: Recorded | undefined;
  let end: Recorded | undefined;
  let lost: Recorded | undefined;
  for await (const event of store.read(depositStream(deposit))) {
    const { from, to = state } = event.meta;
    const isEnd = from !== to && (to === 'bye' || to === 'ended');
    const isBye = event.type === 'ByeReceived';
    const names = (event.data as { readonly id?: unknown }).id === id;
    if (from === 'idle' || isEnd || isBye || names) events.push(event);
    if (isBye) bye ??= event;
    else if (isEnd) end ??= event;
    if (event.type === 'ChannelLost') lost ??= event;
    state = to;
  }
  const withoutBye = end ? endText(end, lost) : 'the session is still open';
  return { deposit, state, ...(bye ? { bye } : {}), withoutBye, events };
}

function endText(end: Recorded, lost: Recorded | undefined): string {
  const fact = end as DepositEvent & Recorded;
  switch (fact.type) {
    case 'IdleElapsed':
      return `nothing came for ${Math.round(fact.data.idleMs / 1000)} s`;
    case 'GraceElapsed':
      return `the MSRP session was over: ${lost ? reasonIn(lost) : 'nobody said why'}`;
    case 'SessionExpired':
      return 'the sender did not refresh the session';
    case 'AckMissed':
      return 'no ACK came to our 200';
    case 'AckReceived':
      return `the answer to our offer: ${fact.data.unacceptable ?? 'unacceptable'}`;
    case 'DepositInterrupted':
      return fact.data.cause === 'cancelled'
        ? 'the sender cancelled its INVITE'
        : 'the server was stopped meanwhile';
    default:
      return fact.type;
  }
}

function reasonIn({ data }: Recorded): string {
  return String((data as { readonly reason?: unknown }).reason);
}

/** The headers of the BYE that are kept, as name and value. */
export function byeHeaders({ octets }: Recorded): readonly (readonly [string, string])[] {
  const message = octets && parseSip(octets, 'exact').message;
  return BYE_HEADERS.flatMap((name) =>
    (message?.all(name) ?? []).map((value) => [name, value] as const),
  );
}
