import { parseCSeq, splitList } from './headers.ts';
import { parseSip, renderSip, type SipMessage } from './message.ts';

/**
 * The ACK to a failure (300-699) of an INVITE: part of its transaction, so the same Request-URI,
 * branch and Routes, and the To of the response (RFC 3261 §17.1.1.3).
 */
export function ackForFailure(invite: SipMessage, response: SipMessage): Uint8Array {
  return sameTransaction(invite, 'ACK', response.first('to') ?? invite.first('to') ?? '');
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
  return sameTransaction(message, 'CANCEL', message.first('to') ?? '');
}

function sameTransaction(invite: SipMessage, method: 'ACK' | 'CANCEL', to: string): Uint8Array {
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
    ],
  });
}
