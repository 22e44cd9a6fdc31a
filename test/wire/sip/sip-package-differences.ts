/**
 * Where our codec and the npm package `sip` 0.0.6 part, each with the clause that decides. `wire`
 * is one datagram; `ours` what we make of it, `theirs` what the package does.
 */
import type { Parsed, SipMessage } from '../../../src/wire/sip/message.ts';

/** What `sip.parse` returns, as far as it is looked at here. */
export interface SipPackageMessage {
  readonly method?: string;
  readonly uri?: string;
  readonly version?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly content: string;
}

interface Difference {
  readonly what: string;
  readonly clause: string;
  readonly wire: string;
  readonly ours: (parsed: Parsed) => unknown;
  readonly theirs: (message: SipPackageMessage) => unknown;
  readonly right: unknown;
  readonly wrong: unknown;
}

const HEADERS = [
  'Via: SIP/2.0/UDP h;branch=z9hG4bKx',
  'From: <sip:b@h>;tag=1',
  'To: <sip:a@h>',
  'Call-ID: c',
  'CSeq: 1 MESSAGE',
];

function datagram(
  lines: readonly string[],
  start = 'MESSAGE sip:a@h SIP/2.0',
  body = 'ab',
): string {
  const replaced = new Set(lines.map((line) => line.split(':')[0]));
  const kept = HEADERS.filter((line) => !replaced.has(line.split(':')[0]));
  return [start, ...kept, ...lines, '', body].join('\r\n');
}

const status = (parsed: Parsed) => (parsed.kind === 'refusal' ? parsed.status : 'message');
const accepted = (message: SipPackageMessage) => (message === undefined ? 'nothing' : 'message');
const value = (name: string) => (parsed: Parsed) => parsed.message?.first(name);
const header = (name: string) => (message: SipPackageMessage) => message.headers[name];
const names = (message: SipMessage | undefined) => message?.fields.map((field) => field.name);

const refusals = (
  [
    ['Content-Length beyond the datagram', 'RFC 3261 §18.3', ['Content-Length: 9999']],
    ['negative Content-Length', 'RFC 4475 §3.1.2.3', ['Content-Length: -999']],
    ['two Content-Lengths', 'RFC 4475 §3.3.9', ['Content-Length: 1\r\nContent-Length: 2']],
    ['another method in CSeq', 'RFC 4475 §3.1.2.17', ['CSeq: 1 BYE']],
    ['a CSeq of 2**32', 'RFC 3261 §8.1.1.5', ['CSeq: 4294967296 MESSAGE']],
    ['a repeated Call-ID', 'RFC 4475 §3.3.8', ['Call-ID: c\r\nCall-ID: d']],
    ['a repeated To', 'RFC 4475 §3.3.8', ['To: <sip:a@h>\r\nTo: <sip:z@h>']],
    ['an empty branch', 'RFC 4475 §3.2.1', ['Via: SIP/2.0/UDP h;branch=z9hG4bK']],
  ] as const
).map(
  ([what, clause, lines]): Difference => ({
    what,
    clause,
    wire: datagram(lines),
    ours: status,
    theirs: accepted,
    right: 400,
    wrong: 'message',
  }),
);

export const DIFFERENCES: readonly Difference[] = [
  ...refusals,
  {
    what: 'SIP/7.0',
    clause: 'RFC 4475 §3.1.2.16',
    wire: datagram([], 'MESSAGE sip:a@h SIP/7.0'),
    ours: status,
    theirs: accepted,
    right: 505,
    wrong: 'message',
  },
  {
    what: 'angle brackets around the Request-URI',
    clause: 'RFC 4475 §3.1.2.7',
    wire: datagram([], 'MESSAGE <sip:a@h> SIP/2.0'),
    ours: status,
    theirs: accepted,
    right: 400,
    wrong: 'message',
  },
  {
    what: 'status 4294967301',
    clause: 'RFC 4475 §3.1.2.19',
    wire: datagram([], 'SIP/2.0 4294967301 x'),
    ours: status,
    theirs: accepted,
    right: null,
    wrong: 'message',
  },
  {
    what: 'octets behind Content-Length 0',
    clause: 'RFC 3261 §18.3',
    wire: datagram(['Content-Length: 0']),
    ours: (parsed) => parsed.message?.body.length,
    theirs: (message) => message.content.length,
    right: 0,
    wrong: 2,
  },
  {
    what: 'a folded value',
    clause: 'RFC 3261 §7.3.1',
    wire: datagram(['Subject: a\r\n b']),
    ours: value('subject'),
    theirs: header('subject'),
    right: 'a b',
    wrong: 'a\r\n b',
  },
  {
    what: 'an unquoted display name beyond ASCII',
    clause: 'RFC 3261 §7.3.1, read freely: nothing in it is ambiguous',
    wire: datagram(['From: \u00e9 <sip:b@h>;tag=1']),
    ours: value('from'),
    theirs: header('from'),
    right: '\u00e9 <sip:b@h>;tag=1',
    wrong: { uri: '\u00c3\u00a9', params: {} },
  },
  {
    what: 'the compact form o',
    clause: 'RFC 6665 §8.2.1',
    wire: datagram(['o: presence']),
    ours: value('event'),
    theirs: header('event'),
    right: 'presence',
    wrong: undefined,
  },
  {
    what: 'the compact form e',
    clause: 'RFC 3261 §20.12',
    wire: datagram(['e: gzip']),
    ours: value('content-encoding'),
    theirs: header('content-encoding'),
    right: 'gzip',
    wrong: undefined,
  },
  {
    what: 'escapes in the name of a header stay what they are',
    clause: 'RFC 3261 §7.3.1: a name is a token',
    wire: datagram(['X%0d%0aRoute: <sip:evil>']),
    ours: (parsed) => names(parsed.message)?.at(-1),
    theirs: (message) => Object.keys(message.headers).at(-1),
    right: 'x%0d%0aroute',
    wrong: 'x\r\nroute',
  },
  {
    what: 'a header named like a property of every object',
    clause: 'RFC 3261 §7.3.1: a name is a token',
    wire: datagram(['constructor: x']),
    ours: value('constructor'),
    theirs: header('constructor'),
    right: 'x',
    wrong: Object,
  },
  {
    what: 'an IPv6 address in Via',
    clause: 'RFC 5118 §4.1',
    wire: datagram(['Via: SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bKx']),
    ours: status,
    theirs: (message) => message.headers.via,
    right: 'message',
    wrong: [{ version: '2.0', protocol: 'UDP', host: '[2001', params: {} }],
  },
];
