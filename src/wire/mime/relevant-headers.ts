import { joinOctets } from '../msrp/render.ts';
import { renderSipDate } from '../sip/date.ts';
import type { Field, SipMessage } from '../sip/message.ts';

/** The header that Privacy is about, as its lower-case long form. */
export const IDENTITY = 'p-asserted-identity';

const encoder = new TextEncoder();
const CRLF = encoder.encode('\r\n');

/** The header part, in this order; those absent are omitted (IM-11.3.2.7-8, A-24, A-50). */
const RELEVANT_HEADERS = [
  'To',
  'From',
  'Date',
  'Subject',
  'Priority',
  'Call-ID',
  'P-Asserted-Identity',
].map((name) => ({ name: name.toLowerCase(), label: encoder.encode(`${name}: `) }));
const TIMESTAMP = encoder.encode('Timestamp: ');

/**
 * Whether the sender asked that the identity be withheld: Privacy `id`, `header` or `user`
 * (RFC 3323 §4.2, RFC 3325 §9.3). `critical` only says how much; `none` asks for the opposite.
 */
export function asksForPrivacy(message: SipMessage): boolean {
  return message
    .all('privacy')
    .some((line) => line.split(/[;,\s]/).some((word) => /^(?:id|header|user)$/i.test(word)));
}

/**
 * The header lines that every push carries, without start line: a message/sipfrag (RFC 3420 §2).
 * Values are the octets that were received; `receivedAt` is in epoch milliseconds.
 */
export function relevantHeaders(
  message: SipMessage,
  options: {
    readonly receivedAt: number;
    readonly dateSource: 'original' | 'received';
    readonly withholdsIdentity: boolean;
    /** What stands in for a Date that the sender did not write; absent: `receivedAt`. */
    readonly dateMs?: number;
  },
): Uint8Array {
  const { receivedAt, dateSource, withholdsIdentity, dateMs = receivedAt } = options;
  const pieces: Uint8Array[] = [];
  for (const { name, label } of RELEVANT_HEADERS) {
    if (name === IDENTITY && withholdsIdentity) continue;
    let found = false;
    if (name !== 'date' || dateSource === 'original') {
      for (const field of message.fields) {
        if (field.name !== name) continue;
        pieces.push(label, lineValue(message, field), CRLF);
        found = true;
      }
    }
    if (name === 'date' && !found) {
      pieces.push(label, encoder.encode(renderSipDate(dateMs)), CRLF);
    }
  }
  pieces.push(TIMESTAMP, encoder.encode(renderTimestamp(receivedAt)), CRLF);
  return joinOctets(pieces);
}

/** `1*DIGIT "." 3DIGIT`, seconds since 1970 (RFC 3261 §20.38, A-23). */
function renderTimestamp(epochMs: number): string {
  const seconds = Math.floor(epochMs / 1000);
  return `${seconds}.${String(epochMs - seconds * 1000).padStart(3, '0')}`;
}

/**
 * The value octet for octet, on one line: line breaks become spaces, so that a value can never
 * pass for a header of its own.
 */
function lineValue({ octets }: SipMessage, field: Field): Uint8Array {
  let start = field.valueStart;
  let end = field.end;
  while (start < end && isSpace(octets[start])) start += 1;
  while (end > start && isSpace(octets[end - 1])) end -= 1;
  const value = octets.subarray(start, end);
  if (value.indexOf(13) === -1 && value.indexOf(10) === -1) return value;
  // A fold is its line break and the white space behind it (RFC 3261 §7.3.1).
  const unfolded: number[] = [];
  for (let at = 0; at < value.length; at += 1) {
    const octet = value[at] ?? 0;
    if (octet !== 13 && octet !== 10) unfolded.push(octet);
    else {
      while (isSpace(value[at + 1])) at += 1;
      unfolded.push(32);
    }
  }
  return Uint8Array.from(unfolded);
}

function isSpace(octet: number | undefined): boolean {
  return octet === 32 || octet === 9 || octet === 13 || octet === 10;
}
