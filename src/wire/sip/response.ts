import { type Hop, viaLineWithReceived } from './hop.ts';
import { renderSip, type SipMessage } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { reasonPhrase } from './reason-phrase.ts';

export interface ResponseParts {
  readonly status: number;
  /** Default: the usual phrase of the status. */
  readonly reason?: string;
  /** Added to a To without a tag, but never in a 100 (RFC 3261 §8.2.6.2). */
  readonly toTag?: string;
  /** For what establishes a dialog: 101-199 and 2xx to INVITE and SUBSCRIBE (RFC 3261 §12.1.1). */
  readonly recordRoute?: 'copied';
  /** What follows the mirrored headers, in this order. Content-Length is added. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
}

/**
 * Octets of the response to a request (RFC 3261 §8.2.6.2): all Via values in their order, the top
 * one with `received` and `rport` (RFC 3581 §4), From, To, Call-ID and CSeq mirrored. It also
 * answers the request of a refusal, leaving out what that lacks.
 */
export function renderResponse(request: SipMessage, source: Hop, parts: ResponseParts): Uint8Array {
  const { status } = parts;
  const headers: (readonly [string, string])[] = [];
  const vias = request.all('via');
  for (const [index, line] of vias.entries()) {
    headers.push(['Via', index === 0 ? viaLineWithReceived(line, source) : line]);
  }
  if (parts.recordRoute === 'copied') {
    for (const line of request.all('record-route')) headers.push(['Record-Route', line]);
  }
  mirror(headers, request, 'From', 'from');
  const to = request.first('to');
  if (to !== undefined) headers.push(['To', status === 100 ? to : withTag(to, parts.toTag)]);
  mirror(headers, request, 'Call-ID', 'call-id');
  mirror(headers, request, 'CSeq', 'cseq');
  // RFC 3261 §8.2.6.1: so that the client learns the round trip time.
  if (status === 100) mirror(headers, request, 'Timestamp', 'timestamp');
  if (parts.headers !== undefined) headers.push(...parts.headers);
  return renderSip({
    start: { kind: 'response', status, reason: parts.reason ?? reasonPhrase(status) },
    headers,
    ...(parts.body === undefined ? {} : { body: parts.body }),
  });
}

function mirror(
  headers: (readonly [string, string])[],
  request: SipMessage,
  name: string,
  key: string,
): void {
  const value = request.first(key);
  if (value !== undefined) headers.push([name, value]);
}

function withTag(to: string, tag: string | undefined): string {
  if (tag === undefined) return to;
  // Nearly always there is no such word, and nothing has to be parsed to know it.
  if (/tag/i.test(to) && parseNameAddr(to)?.tag !== undefined) return to;
  return `${to};tag=${tag}`;
}
