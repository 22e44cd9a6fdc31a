import { sipFramer } from '../src/wire/sip/framing.ts';
import { SIP_LIMITS, type SipLimits } from '../src/wire/sip/limits.ts';
import { parseSip, renderSip, type SipMessage } from '../src/wire/sip/message.ts';

interface Measured {
  readonly what: string;
  readonly figure: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly floor?: string;
}

const MEASURE_MS = 1_000;
const WIRE_BYTES = 600;
/** As many different messages as fit the second-level cache, so that none is read from luck. */
const MESSAGES = 256;

/** What a server reads of every MESSAGE. */
const READ = ['via', 'from', 'to', 'call-id', 'cseq', 'date', 'expires', 'content-type'];
/** What its 202 copies. */
const COPIED = [
  ['Via', 'via'],
  ['From', 'from'],
  ['To', 'to'],
  ['Call-ID', 'call-id'],
  ['CSeq', 'cseq'],
] as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function request(serial: number): Uint8Array {
  const head = [
    `MESSAGE sip:user${serial}@example.org SIP/2.0`,
    `Via: SIP/2.0/UDP 192.0.2.40:5060;branch=z9hG4bK${serial.toString(36)}a;rport`,
    `Via: SIP/2.0/UDP 192.0.2.18:5062;branch=z9hG4bK${serial.toString(36)}b;received=192.0.2.9`,
    'Max-Forwards: 69',
    `From: "Juliet" <sip:juliet@example.org>;tag=${(serial * 40_503) % 1_000_003}`,
    `To: <sip:user${serial}@example.org>`,
    `Call-ID: ${(serial * 7_919).toString(16)}-1@192.0.2.18`,
    'CSeq: 1 MESSAGE',
    'P-Asserted-Identity: <sip:juliet@example.org>',
    'Date: Sun, 22 Nov 2026 09:15:02 GMT',
    'Content-Type: text/plain;charset=UTF-8',
  ].join('\r\n');
  const body = 'Wherefore art thou? '.repeat(20);
  const length = WIRE_BYTES - head.length - '\r\nContent-Length: 000\r\n\r\n'.length;
  return encoder.encode(`${head}\r\nContent-Length: ${length}\r\n\r\n${body.slice(0, length)}`);
}

/** Times per second that `work` runs over the messages, after a warm-up. */
function rate(work: (octets: Uint8Array) => unknown): number {
  const messages = Array.from({ length: MESSAGES }, (_, serial) => request(serial));
  let sink = 0;
  const round = () => {
    for (const octets of messages) if (work(octets) !== undefined) sink += 1;
  };
  const until = performance.now() + MEASURE_MS / 4;
  while (performance.now() < until) round();
  const start = performance.now();
  let rounds = 0;
  while (performance.now() - start < MEASURE_MS) {
    round();
    rounds += 1;
  }
  if (sink === 0) throw new Error('nothing was done');
  return (rounds * MESSAGES * 1000) / (performance.now() - start);
}

function parsed(octets: Uint8Array): SipMessage {
  const result = parseSip(octets, 'datagram');
  if (result.kind === 'refusal') throw new Error(result.reason);
  return result.message;
}

function answer(octets: Uint8Array): Uint8Array {
  const message = parsed(octets);
  for (const name of READ) message.first(name);
  const headers: (readonly [string, string])[] = [];
  for (const [name, key] of COPIED) {
    for (const value of message.all(key)) headers.push([name, value]);
  }
  headers.push(['Server', 'IM-serv/OMA1.0 restante/0.1.0']);
  headers.push(['Date', 'Sun, 22 Nov 2026 09:15:02 GMT']);
  return renderSip({ start: { kind: 'response', status: 202, reason: 'Accepted' }, headers });
}

async function codec(): Promise<readonly Measured[]> {
  const floor = rate((octets) => decoder.decode(octets));
  const against = (what: string, work: (octets: Uint8Array) => unknown): Measured => {
    const figure = rate(work);
    const ratio = figure / floor;
    return { what, figure, unit: 'messages/s', ratio, floor: 'TextDecoder over the same octets' };
  };
  const framer = sipFramer();
  return [
    { what: 'TextDecoder over a MESSAGE of 600 octets', figure: floor, unit: 'messages/s' },
    against('parse', parsed),
    against('parse and read 8 headers', (octets) => {
      const message = parsed(octets);
      let read = 0;
      for (const name of READ) if (message.first(name) !== undefined) read += 1;
      return read;
    }),
    against('parse, read 8 headers, write the 202', answer),
    against('cut from a stream', (octets) => framer.push(octets)[0]),
  ];
}

/** No early stop: what is measured is the work per octet, not the limit. */
const NO_LIMITS: SipLimits = {
  ...SIP_LIMITS,
  headBytesMax: 2 ** 24,
  headerLinesMax: 2 ** 24,
  lineBytesMax: 2 ** 24,
};

const KIB = 1024;
const fill = (unit: string, bytes: number) => unit.repeat(Math.floor(bytes / unit.length));
const START = 'MESSAGE sip:a@h SIP/2.0\r\n';

const HOSTILE: readonly (readonly [what: string, datagram: (bytes: number) => string])[] = [
  ['spaces', (bytes) => fill(' ', bytes)],
  ['spaces in a value', (bytes) => `${START}To: ${fill(' ', bytes)}x\r\n\r\n`],
  ['header names', (bytes) => START + fill('X-Aaaaaaaa:\r\n', bytes)],
  ['one long header name', (bytes) => START + fill('X', bytes)],
  ['folded lines', (bytes) => `${START}Subject: ${fill('a\r\n ', bytes)}\r\n\r\n`],
  ['Via hops', (bytes) => `${START}Via: ${fill('SIP/2.0/UDP h;a=b,', bytes)}\r\n\r\n`],
  ['semicolons', (bytes) => `${START}Via: SIP/2.0/UDP h${fill(' ; a', bytes)}\r\n\r\n`],
  ['quotes', (bytes) => `${START}From: "${fill('\\"', bytes)}\r\n\r\n`],
];

/** The fastest of several runs of each, taken in turn so that both meet the same neighbours. */
function fastest(works: readonly (() => void)[]): readonly number[] {
  const best = works.map(() => Number.POSITIVE_INFINITY);
  for (let run = 0; run < 30; run += 1) {
    for (const [index, work] of works.entries()) {
      const start = performance.now();
      work();
      best[index] = Math.min(best[index] ?? 0, performance.now() - start);
    }
  }
  return best;
}

async function hostile(): Promise<readonly Measured[]> {
  const growth = (what: string, run: (text: string) => void, text: (bytes: number) => string) => {
    const texts = [text(16 * KIB), text(64 * KIB)];
    const [floor = 0, figure = 0] = fastest(texts.map((each) => () => run(each)));
    return { what, figure, unit: 'ms for 64 KiB', ratio: figure / floor, floor: '16 KiB' };
  };
  const parse = (text: string) => {
    const octets = encoder.encode(text);
    parseSip(octets, 'datagram', NO_LIMITS).message?.all('to');
    parseSip(octets, 'datagram').message?.all('subject');
  };
  const trickle = (text: string) => {
    const framer = sipFramer(NO_LIMITS);
    for (const octet of encoder.encode(text)) framer.push(Uint8Array.of(octet));
  };
  return [
    ...HOSTILE.map(([what, text]) => growth(what, parse, text)),
    growth('octet by octet, a head', trickle, (bytes) => START + fill('X: y\r\n', bytes)),
    growth('octet by octet, CRs', trickle, (bytes) => START + fill('\r', bytes)),
    growth(
      'octet by octet, a body',
      trickle,
      (bytes) => `${START}l: 99999\r\n\r\n${fill('x', bytes)}`,
    ),
  ];
}

export const benches: readonly { name: string; run(): Promise<readonly Measured[]> }[] = [
  { name: 'sip codec', run: codec },
  { name: 'sip codec, hostile', run: hostile },
];
