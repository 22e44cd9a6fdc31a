import type { Socket } from 'node:net';
import { encapsulate } from '../../../src/wire/mime/encapsulation.ts';
import { type MsrpFrame, msrpFramer } from '../../../src/wire/msrp/frame.ts';
import { renderResponse, renderSend } from '../../../src/wire/msrp/render.ts';
import { mailbox } from './loopback-peer.ts';

export const PEER_URI = 'msrp://127.0.0.1:2855/p7k2m4qx9w;tcp';

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A stored MESSAGE and the body that pushes it. */
export function pushOf(subject: string) {
  const stored = utf8(
    [
      'MESSAGE sip:alice@example.org SIP/2.0',
      'Via: SIP/2.0/UDP ua.example.com;branch=z9hG4bK1',
      'From: "Bob" <sip:bob@example.com>;tag=1',
      'To: <sip:alice@example.org>',
      `Call-ID: ${subject}`,
      'CSeq: 1 MESSAGE',
      `Subject: ${subject}`,
      'Content-Type: text/plain;charset=UTF-8',
      'Content-Length: 6',
      '',
      'Zażó',
    ].join('\r\n'),
  );
  const built = encapsulate(stored, {
    receivedAt: 1795338902114,
    exposeIdentity: true,
    encapsulation: 'auto',
    dateSource: 'original',
    seed: 'restante-000000',
  });
  if (built.kind === 'refusal') throw new Error(built.reason);
  return { ...built, stored };
}

/** The server's end of an MSRP connection. */
export function msrpEnd(socket: Socket) {
  const frames = mailbox<MsrpFrame>();
  const framer = msrpFramer();
  socket.on('error', () => {});
  socket.on('data', (octets) => {
    for (const event of framer.push(octets)) if (event.kind === 'frame') frames.put(event.frame);
  });
  return {
    next: frames.take,
    async status() {
      const frame = await frames.take();
      return frame.kind === 'response' ? frame.status : undefined;
    },
    push(toPath: string, messageId: string, { contentType, body }: ReturnType<typeof pushOf>) {
      const byteRange = { start: 1, end: body.length, total: body.length };
      const paths = { toPath: [toPath], fromPath: [PEER_URI], messageId, byteRange };
      const send = { tid: `t${messageId}`, flag: '$', contentType, body, ...paths } as const;
      for (const part of renderSend(send)) socket.write(part);
    },
    answer(frame: MsrpFrame) {
      const [toPath, fromPath] = [frame.fromPath, frame.toPath];
      socket.write(renderResponse({ tid: frame.tid, status: 200, toPath, fromPath }));
    },
  };
}
