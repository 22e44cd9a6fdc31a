/** What came in as a SIP MESSAGE is what `restante message show ID --raw` gives back. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Line, type ScriptedPeer, scriptedPeer } from '../controls/scripted-peer.ts';
import { LAUNCHER, type Server, startServer } from '../controls/server.ts';

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 1024 * 1024;

interface Form {
  readonly form: string;
  /** Header lines after the start line; `%T` and `%I` become transport and number. */
  readonly head: readonly string[];
  readonly body: Uint8Array;
}

const EVERY_OCTET = Uint8Array.from({ length: 512 }, (_, index) => index & 0xff);
const text = (words: string) => new TextEncoder().encode(words);

const FORMS: readonly Form[] = [
  {
    form: 'compact header names',
    head: [
      'v: SIP/2.0/%T host.example.com:5060;rport;branch=z9hG4bKcompact%I',
      ...['Max-Forwards:70', 'f:<sip:bob@example.com>;tag=%I', 't:<sip:alice@example.org>'],
      ...['i:compact-%I@example.com', 'CSeq:1 MESSAGE', 's:short', 'c:text/plain', 'l:%L'],
    ],
    body: text('short'),
  },
  {
    form: 'folded and spaced headers',
    head: [
      'Via:   SIP / 2.0 /\r\n %T\r\n\thost.example.com : 5060 ; rport;branch=z9hG4bKfolded%I',
      'MAX-FORWARDS : 0070',
      'From\t: "Bob\r\n  Builder" <sip:bob@example.com>;\r\n tag=%I',
      'to:<sip:alice@example.org>',
      ...['Call-ID: folded-%I@example.com', 'cseq:\r\n 1\r\n MESSAGE', 'Subject: \r\n  folded  '],
      ...['X-Empty:', 'Content-Type: text/plain;\r\n charset=UTF-8', 'Content-Length:\t%L'],
    ],
    body: text('line one\r\n line two\r\n\r\n'),
  },
  {
    form: 'a binary body',
    head: [
      'Via: SIP/2.0/%T host.example.com:5060;rport;branch=z9hG4bKbinary%I',
      ...['Max-Forwards: 70', 'From: <sip:bob@example.com>;tag=%I'],
      ...['To: <sip:alice@example.org>', 'Call-ID: binary-%I@example.com', 'CSeq: 1 MESSAGE'],
      ...['Content-Type: application/octet-stream', 'Content-Length: %L'],
    ],
    body: EVERY_OCTET,
  },
  {
    form: 'UTF-8 in headers and body',
    head: [
      'Via: SIP/2.0/%T host.example.com:5060;rport;branch=z9hG4bKutf%I',
      ...['Max-Forwards: 70', 'From: "Žofie 🦊" <sip:bob@example.com>;tag=%I'],
      ...['To: <sip:alice@example.org>', 'Call-ID: utf-%I@example.com', 'CSeq: 1 MESSAGE'],
      ...['Subject: příliš žluťoučký кůň', 'Content-Type: text/plain;charset=UTF-8'],
      'Content-Length: %L',
    ],
    body: text('naïve café ✓ 日本語 🎉\r\n'),
  },
];

const TRANSPORTS = ['UDP', 'TCP'] as const;
const CASES = TRANSPORTS.flatMap((transport) =>
  FORMS.map((form, index) => ({ ...form, transport, number: `${transport}${index}` })),
);

function octetsOf({ head, body, transport, number }: (typeof CASES)[number]): Buffer {
  const lines = ['MESSAGE sip:alice@example.org SIP/2.0', ...head, '', ''].join('\r\n');
  const filled = lines
    .replaceAll('%T', transport)
    .replaceAll('%I', number)
    .replace('%L', String(body.length));
  return Buffer.concat([Buffer.from(filled), body]);
}

describe('a stored message is the octets that came in', () => {
  let server: Server;
  let peer: ScriptedPeer;
  let ids: readonly string[] = [];
  let lines: Readonly<Record<(typeof TRANSPORTS)[number], Line>>;

  beforeAll(async () => {
    server = await startServer();
    peer = scriptedPeer();
    lines = {
      UDP: await peer.datagrams(server.sipPort),
      TCP: await peer.connect(server.sipPort),
    };
  });
  afterAll(async () => {
    peer.close();
    await server.remove();
  });

  async function restante(...words: readonly string[]): Promise<Buffer> {
    const all = [LAUNCHER, ...words, '--data', server.data];
    const options = { encoding: 'buffer', maxBuffer: OUTPUT_BYTES_MAX } as const;
    return (await run(process.execPath, all, options)).stdout;
  }

  it('all of them are accepted [REF-3428-2]', async () => {
    for (const one of CASES) {
      lines[one.transport].send(octetsOf(one));
      expect(String(await lines[one.transport].next()), one.form).toMatch(/^SIP\/2\.0 202 /);
    }
  });

  it('all of them wait, in the order they came', async () => {
    const waiting = String(await restante('mailbox', 'show', 'sip:alice@example.org', '--json'));
    ids = [...waiting.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id ?? '');
    expect(ids).toHaveLength(CASES.length);
  });

  it.each(CASES)('$transport, $form [IM-11.3.2.5-1]', async (one) => {
    const id = ids[CASES.indexOf(one)] ?? '';
    expect(await restante('message', 'show', id, '--raw')).toEqual(octetsOf(one));
  });
});
