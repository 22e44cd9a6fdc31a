import { parseMediaType } from '../sip/headers.ts';
import { parseSip, type SipMessage, withoutHeaders } from '../sip/message.ts';
import { freeBoundary } from './boundary.ts';
import {
  type Part,
  type PartHeader,
  parseFields,
  parseMultipart,
  renderMultipart,
} from './multipart.ts';
import { asksForPrivacy, IDENTITY, relevantHeaders } from './relevant-headers.ts';

export interface EncapsulationOptions {
  /** When the complete message was received, in epoch milliseconds. */
  readonly receivedAt: number;
  /** `pai.expose`: whether the sender's asserted identity may be shown at all. */
  readonly exposeIdentity: boolean;
  /**
   * `push.encapsulation`, or `sipfrag` when the answer does not accept message/sip. `sip`
   * shows the recipient the network's own headers; an identity to be withheld overrides it.
   */
  readonly encapsulation: 'auto' | 'sip' | 'sipfrag';
  /** `push.dateSource`: the sender's Date, or when the message was received. */
  readonly dateSource: 'original' | 'received';
  /**
   * The boundary, such as `restante-5d1c9e`: derived by the caller from the message's identity, so
   * that the same message gives the same octets. Another is derived from it if it occurs.
   */
  readonly seed: string;
}

export type Encapsulated =
  | {
      readonly kind: 'encapsulated';
      /** `multipart/mixed` with its boundary. */
      readonly contentType: string;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'refusal'; readonly reason: string; readonly section: string };

/** What the network wrote for itself, and credentials; with every `Proxy-` header. */
const NETWORK_HEADERS: ReadonlySet<string> = new Set([
  'route',
  'record-route',
  'p-charging-vector',
  'p-charging-function-addresses',
  'p-access-network-info',
  'p-visited-network-id',
  'p-served-user',
  'p-user-database',
  'authorization',
]);

export const TRANSFER: PartHeader = ['Content-Transfer-Encoding', 'binary'];
export const SIPFRAG: readonly PartHeader[] = [
  ['Content-Type', 'message/sipfrag;version=2.0'],
  TRANSFER,
];
const SIP: readonly PartHeader[] = [['Content-Type', 'message/sip;version=2.0'], TRANSFER];

/**
 * Builds the body that pushes a stored MESSAGE (A-21…A-24): a part with the relevant headers and
 * the time of reception, and a part with the stored octets, unchanged or less whole header lines.
 * The same input gives the same octets. Refused: octets that are no whole SIP message, since a
 * private header might hide in what cannot be read.
 */
export function encapsulate(stored: Uint8Array, options: EncapsulationOptions): Encapsulated {
  const parsed = parseSip(stored, 'exact');
  if (parsed.kind === 'refusal') {
    return { kind: 'refusal', reason: parsed.reason, section: parsed.section };
  }
  const { message } = parsed;
  const withholdsIdentity = !options.exposeIdentity || asksForPrivacy(message);
  const parts: readonly Part[] = [
    { headers: SIPFRAG, body: relevantHeaders(message, { ...options, withholdsIdentity }) },
    messagePart(message, options, withholdsIdentity),
  ];
  const boundary = freeBoundary(
    options.seed,
    parts.map((part) => part.body),
  );
  return {
    kind: 'encapsulated',
    contentType: `multipart/mixed;boundary="${boundary}"`,
    body: renderMultipart(parts, boundary),
  };
}

function messagePart(
  message: SipMessage,
  { encapsulation }: EncapsulationOptions,
  withholdsIdentity: boolean,
): Part {
  const isPrivate = (name: string) =>
    NETWORK_HEADERS.has(name) ||
    name.startsWith('proxy-') ||
    (withholdsIdentity && name === IDENTITY);
  const names = message.fields.map((field) => field.name);
  const verbatim =
    encapsulation === 'sip'
      ? !(withholdsIdentity && names.includes(IDENTITY))
      : encapsulation === 'auto' && !names.some((name) => name === 'privacy' || isPrivate(name));
  return verbatim
    ? { headers: SIP, body: message.octets }
    : { headers: SIPFRAG, body: withoutHeaders(message, isPrivate) };
}

export type OpenedEncapsulation =
  | {
      readonly kind: 'opened';
      /** The relevant headers; names as they came. */
      readonly fields: readonly PartHeader[];
      /** The encapsulated message: a view of the body, its type without parameters. */
      readonly message: Uint8Array;
      readonly type: string;
    }
  | { readonly kind: 'refusal'; readonly reason: string; readonly section: string };

const WRAPPERS: ReadonlySet<string> = new Set(['message/sip', 'message/sipfrag', 'message/msrp']);
/** A header line, unlike a start line, has its colon right behind the first word. */
const HEADER_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*:/;
const FIRST_LINE_OCTETS_MAX = 256;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Takes a pushed body apart, whatever the order of its parts: the encapsulated message is
 * the message/sip or message/msrp part, or the message/sipfrag part that begins with a start line.
 */
export function openEncapsulated(contentType: string, body: Uint8Array): OpenedEncapsulation {
  const refuse = (reason: string, section: string): OpenedEncapsulation => ({
    kind: 'refusal',
    reason,
    section,
  });
  const media = parseMediaType(contentType);
  const boundary = media?.params.get('boundary');
  if (media?.name !== 'multipart/mixed' || boundary === undefined) {
    return refuse('not multipart/mixed with a boundary', 'IM-11.3.2.7-3');
  }
  const multipart = parseMultipart(body, boundary);
  if (multipart.kind === 'refusal') return refuse(multipart.reason, multipart.section);
  const wrapped = multipart.parts.map((part) => ({ part, type: typeOf(part) }));
  const isHeaderPart = ({ part, type }: (typeof wrapped)[number]) =>
    type === 'message/sipfrag' &&
    HEADER_LINE.test(decoder.decode(part.body.subarray(0, FIRST_LINE_OCTETS_MAX)));
  const header = wrapped.find(isHeaderPart);
  const message = wrapped.find((each) => WRAPPERS.has(each.type) && !isHeaderPart(each));
  if (message === undefined) return refuse('no encapsulated message', 'IM-11.3.2.7-6');
  if (header === undefined) return refuse('no header part', 'IM-11.3.2.7-8');
  return {
    kind: 'opened',
    fields: parseFields(header.part.body).headers,
    message: message.part.body,
    type: message.type,
  };
}

function typeOf(part: Part): string {
  const value = part.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  return (value === undefined ? undefined : parseMediaType(value)?.name) ?? 'text/plain';
}
