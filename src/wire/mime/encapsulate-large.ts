/** The body that pushes a Large message: its MSRP SEND whole, as message/msrp (A-24, A-25). */
import { joinOctets } from '../msrp/render.ts';
import { parseSipDate } from '../sip/date.ts';
import { parseSip, type SipMessage } from '../sip/message.ts';
import { freeBoundary } from './boundary.ts';
import { type EncapsulationOptions, SIPFRAG, TRANSFER } from './encapsulation.ts';
import { closingDelimiter, type PartHeader, partHead } from './multipart.ts';
import { asksForPrivacy, relevantHeaders } from './relevant-headers.ts';

export interface LargeParts {
  /** The INVITE of the session, and our 2xx to it. */
  readonly invite: Uint8Array;
  readonly answer: Uint8Array;
  /** Start line, headers and empty line of the SEND that brought the first octet. */
  readonly head: Uint8Array;
  /** Octets of the body, and the body itself where it is at hand. */
  readonly bytes: number;
  readonly body?: Uint8Array;
  /** Takes the place of the SEND's transaction id, whose end-line stands in the body. */
  readonly tid?: string;
}

/** The body goes between `before` and `after`. */
export type EncapsulatedLarge =
  | {
      readonly kind: 'encapsulated';
      readonly contentType: string;
      readonly before: Uint8Array;
      readonly after: Uint8Array;
    }
  | { readonly kind: 'refusal'; readonly reason: string; readonly section: string };

const MSRP: readonly PartHeader[] = [['Content-Type', 'message/msrp'], TRANSFER];
const BYTE_RANGE = /^byte-range:/i;
const CONTENT_TYPE = /^content-type:/i;
const CRLF = '\r\n';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * A part with the relevant headers, and one with the SEND: its head as it came but for Byte-Range,
 * its whole body, flag `$`. The same input gives the same octets. `seed` of the options must be
 * unknown to the sender, since a body that is not at hand is not searched for the boundary.
 */
export function encapsulateLarge(
  parts: LargeParts,
  options: Omit<EncapsulationOptions, 'encapsulation'>,
): EncapsulatedLarge {
  const invite = parseSip(parts.invite, 'exact');
  if (invite.kind === 'refusal') {
    return { kind: 'refusal', reason: invite.reason, section: invite.section };
  }
  const send = wholeSend(parts);
  if (send === undefined) {
    const reason = 'the head of the SEND is none';
    return { kind: 'refusal', reason, section: 'RFC 4975 §7.1' };
  }
  const dateMs = dateOf(parts.answer);
  const fields = relevantHeaders(invite.message, {
    ...options,
    withholdsIdentity: !options.exposeIdentity || asksForPrivacy(invite.message),
    ...(dateMs === undefined ? {} : { dateMs }),
  });
  const atHand = parts.body === undefined ? [] : [parts.body];
  const boundary = freeBoundary(options.seed, [fields, send.head, ...atHand]);
  return {
    kind: 'encapsulated',
    contentType: `multipart/mixed;boundary="${boundary}"`,
    before: joinOctets([
      partHead(SIPFRAG, boundary),
      fields,
      encoder.encode(CRLF),
      partHead(MSRP, boundary),
      send.head,
    ]),
    after: joinOctets([encoder.encode(`${send.end}${CRLF}`), closingDelimiter(boundary)]),
  };
}

/** A-23: when the sender wrote no Date, that of our own 2xx. */
function dateOf(answer: Uint8Array): number | undefined {
  const parsed = parseSip(answer, 'exact');
  const date = (message: SipMessage) => parseSipDate(message.first('date') ?? '');
  return parsed.kind === 'message' ? date(parsed.message) : undefined;
}

/** The head of one SEND that carries the whole body, and its end-line. */
function wholeSend({
  head,
  bytes,
  tid,
}: LargeParts): { readonly head: Uint8Array; readonly end: string } | undefined {
  const [startLine = '', ...lines] = decoder.decode(head).split(CRLF).slice(0, -2);
  const [msrp, ownTid, ...rest] = startLine.split(' ');
  const typeAt = lines.findIndex((line) => CONTENT_TYPE.test(line));
  if (msrp !== 'MSRP' || ownTid === undefined || typeAt < 0) return undefined;
  const range = `Byte-Range: ${bytes === 0 ? '1-0/0' : `1-${bytes}/${bytes}`}`;
  const rangeAt = lines.findIndex((line) => BYTE_RANGE.test(line));
  const ranged = rangeAt < 0 ? lines.toSpliced(typeAt, 0, range) : lines.with(rangeAt, range);
  const start = [msrp, tid ?? ownTid, ...rest].join(' ');
  return {
    head: encoder.encode([start, ...ranged, '', ''].join(CRLF)),
    end: `${CRLF}-------${tid ?? ownTid}$${CRLF}`,
  };
}
