import { parseCSeq, splitList } from './headers.ts';
import { parseSip, renderSip, type SipMessage } from './message.ts';

/** RFC 3261 §22.1: nobody can challenge an ACK, so it repeats the credentials of its INVITE. */
const CREDENTIALS = ['Authorization', 'Proxy-Authorization'] as const;

/**
 * The ACK to a failure (300-699) of an INVITE: part of its transaction, so the same Request-URI,
 * branch and Routes, and the To of the response (RFC 3261 §17.1.1.3).
 */
export function ackForFailure(invite: SipMessage, response: SipMessage): Uint8Array {
  const to = response.first('to') ?? invite.first('to') ?? '';
  return sameTransaction(invite, 'ACK', { to, repeated: CREDENTIALS });
}

/**
 * The CANCEL of an INVITE that was sent: the same but for the method, without Require and
 * Proxy-Require (RFC 3261 §9.1). `undefined` when the octets are no INVITE: nothing
 * else is ever cancelled.
 */
export function cancelFor(inviteOctets: Uint8Array): Uint8Array | undefined {
  const parsed = parseSip(inviteOctets, 'exact');
  const message = parsed.kind === 'message' ? parsed.message : undefined;
  if (message?.start.kind !== 'request' || message.start.method !== 'INVITE') return undefined;
  return sameTransaction(message, 'CANCEL', { to: message.first('to') ?? '' });
}

function sameTransaction(
  invite: SipMessage,
  method: 'ACK' | 'CANCEL',
  { to, repeated = [] }: { readonly to: string; readonly repeated?: readonly string[] },
): Uint8Array {
  const uri = invite.start.kind === 'request' ? invite.start.uri : '';
  const cseq = parseCSeq(invite.first('cseq') ?? '')?.number ?? 0;
  return renderSip({
    start: { kind: 'request', method, uri },
    headers: [
      ['Via', splitList(invite.first('via') ?? '')[0] ?? ''],
      ['Max-Forwards', '70'],
      ...invite.all('route').map((route) => ['Route', route] as const),
      ['From', invite.first('from') ?? ''],
      ['To', to],
      ['Call-ID', invite.first('call-id') ?? ''],
      ['CSeq', `${cseq} ${method}`],
      ...repeated.flatMap((name) =>
        invite.all(name.toLowerCase()).map((value) => [name, value] as const),
      ),
    ],
  });
}
