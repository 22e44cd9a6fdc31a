/**
 * A process of its own that registers a subscriber, takes one push over MSRP and prints how fast it
 * came as one line of JSON. Messages are counted and acknowledged, not read: what is measured is
 * the server.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { readPushOffer, renderPushAnswer } from '../../src/adapters/ua/client-sdp.ts';
import { type PushSession, pushSession } from '../../src/adapters/ua/push-session.ts';
import { parseSip, type SipMessage } from '../../src/wire/sip/message.ts';
import { renderResponse } from '../../src/wire/sip/response.ts';

export interface PushLoad {
  readonly sipPort: number;
  readonly user: string;
  /** Bodies are written here as they come, one over the other; absent: they are counted alone. */
  readonly bodyFile?: string;
}

export interface PushReport {
  readonly messages: number;
  /** MSRP Message-IDs among them. */
  readonly distinct: number;
  /** Of the bodies on the wire, wrapper included. */
  readonly bytes: number;
  /** From the first message that was complete to the last. */
  readonly perSecond: number;
  /** From the first octet of the first message to the end of the last, in milliseconds. */
  readonly ms: number;
}

const HOST = '127.0.0.1';
const TAG = 'load1';
const MESSAGE_BYTES_MAX = 4e9;
const NO_OCTETS = new Uint8Array(0);

async function take({ sipPort, user, bodyFile }: PushLoad): Promise<PushReport> {
  const file = bodyFile === undefined ? undefined : openSync(bodyFile, 'w');
  const media = createServer({ noDelay: true }).listen(0, HOST);
  await once(media, 'listening');
  const address = media.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const sip = createSocket('udp4').bind(0, HOST);
  await once(sip, 'listening');
  const local = `${HOST}:${sip.address().port}`;
  const path = `msrp://${HOST}:${port}/load1load1load1;tcp`;
  const contact = `<sip:${user}@${local}>;+g.oma.sip-im`;
  const ids = new Set<string>();
  let session: PushSession | undefined;
  let messages = 0;
  let bytes = 0;
  let firstAt = 0;
  let lastAt = 0;
  let beganAt = 0;
  media.on('connection', (socket) => session?.attach(socket));

  const respond = (request: SipMessage, body?: Uint8Array): void => {
    const headers: [string, string][] = [['Contact', contact]];
    if (body) headers.push(['Content-Type', 'application/sdp']);
    const source = { transport: 'udp', host: HOST, port: sipPort, local } as const;
    const parts = { status: 200, toTag: TAG, headers, ...(body && { body }) };
    sip.send(renderResponse(request, source, parts), sipPort, HOST);
  };
  const invited = (request: SipMessage): void => {
    const offer = readPushOffer(Buffer.from(request.body).toString());
    if (!offer) throw new Error('the INVITE offers no MSRP');
    const answer = {
      host: HOST,
      port,
      path,
      setup: 'passive',
      maxSize: MESSAGE_BYTES_MAX,
      origin: 1,
    } as const;
    session ??= pushSession({
      localUri: path,
      remotePath: offer.path,
      setup: 'passive',
      messageBytesMax: MESSAGE_BYTES_MAX,
      begin: () => ({
        unwrittenBytes: 0,
        write(at, octets) {
          if (beganAt === 0) beganAt = performance.now();
          if (file !== undefined) writeSync(file, octets, 0, octets.length, at);
        },
        discard() {},
        octets: () => NO_OCTETS,
      }),
      onMessage({ messageId }, bodyBytes) {
        lastAt = performance.now();
        if (messages === 0) firstAt = lastAt;
        messages += 1;
        bytes += bodyBytes;
        ids.add(messageId);
        return 200;
      },
    });
    respond(request, renderPushAnswer(answer));
  };
  const over = new Promise<void>((resolve) => {
    sip.on('message', (datagram) => {
      const parsed = parseSip(new Uint8Array(datagram), 'datagram');
      if (parsed.kind !== 'message' || parsed.message.start.kind !== 'request') return;
      const { message } = parsed;
      const { method } = parsed.message.start;
      if (method === 'INVITE') invited(message);
      else if (method !== 'ACK') respond(message);
      if (method === 'BYE') setTimeout(resolve, 50);
    });
  });
  const register = [
    'REGISTER sip:example.org SIP/2.0',
    `Via: SIP/2.0/UDP ${local};branch=z9hG4bK-register`,
    'Max-Forwards: 70',
    `From: <sip:${user}@example.org>;tag=${TAG}`,
    `To: <sip:${user}@example.org>`,
    `Call-ID: load@${local}`,
    'CSeq: 1 REGISTER',
    `Contact: ${contact}`,
    'Expires: 3600',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
  sip.send(register, sipPort, HOST);
  await over;
  session?.close();
  media.close();
  sip.close();
  if (file !== undefined) closeSync(file);
  const perSecond = ((messages - 1) * 1000) / (lastAt - firstAt);
  return { messages, distinct: ids.size, bytes, perSecond, ms: lastAt - beganAt };
}

const report = await take(JSON.parse(process.argv[2] ?? '{}') as PushLoad);
process.stdout.write(`${JSON.stringify(report)}\n`);
