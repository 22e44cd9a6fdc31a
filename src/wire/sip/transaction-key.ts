import { parseCSeq } from './headers.ts';
import type { SipMessage } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import type { Via } from './via.ts';

const MAGIC_COOKIE = 'z9hG4bK';

/**
 * What tells server transactions apart (RFC 3261 §17.2.3): branch, sent-by and method, where ACK
 * counts as the INVITE it acknowledges. A branch of an RFC 2543 client, and the bare cookie
 * (RFC 4475 §3.2.1), is not unique: Request-URI, From tag, Call-ID, CSeq number and
 * the whole top Via stand in for it. The To tag is left out: the ACK to a failure has one that the
 * INVITE had not.
 */
export function serverKey(request: SipMessage, method: string, via: Via): string {
  const name = method === 'ACK' ? 'INVITE' : method;
  const { branch } = via;
  const sentBy = `${via.host}:${via.port ?? ''}`;
  if (branch?.startsWith(MAGIC_COOKIE) && branch.length > MAGIC_COOKIE.length) {
    // Joined, not concatenated: that would keep the whole head of the message alive, of which the
    // branch is a slice, for as long as the key is.
    return [branch, sentBy, name].join(' ');
  }
  const uri = request.start.kind === 'request' ? request.start.uri : '';
  const fromTag = parseNameAddr(request.first('from') ?? '')?.tag ?? '';
  const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
  const callId = request.first('call-id') ?? '';
  return ['2543', uri, fromTag, callId, cseq, sentBy, branch ?? '', name].join(' ');
}

/** What tells client transactions apart (RFC 3261 §17.1.3): branch and method of CSeq. */
export function clientKey(branch: string, method: string): string {
  return `${branch} ${method}`;
}
