/** A peer that speaks octets, reads only when it is told to, and keeps the order of what it heard. */
import { connect, type Socket } from 'node:net';
import type { MsrpEndpoint } from '../../../src/adapters/msrp/endpoint.ts';
import { type MsrpFrame, type MsrpRequest, msrpFramer } from '../../../src/wire/msrp/frame.ts';
import { renderResponse } from '../../../src/wire/msrp/render.ts';
import { until } from './loopback.ts';

export const PEER = 'msrp://127.0.0.1:9/a1b2c3d4e5;tcp';

export interface RawPeer {
  readonly socket: Socket;
  /** Requests and responses in the order of their arrival. */
  readonly frames: MsrpFrame[];
  readonly statuses: () => readonly number[];
  closed: boolean;
  send(text: string): void;
  /** Binds a session by a SEND without a body, and waits for its 200. */
  bind(uri: string): Promise<void>;
}

/** `answers`: whether each SEND is answered 200. */
export async function rawPeer(server: MsrpEndpoint, answers = true): Promise<RawPeer> {
  const socket = connect(server.port, '127.0.0.1');
  const framer = msrpFramer();
  const frames: MsrpFrame[] = [];
  let serial = 0;
  const peer: RawPeer = {
    socket,
    frames,
    closed: false,
    statuses: () => frames.flatMap((frame) => (frame.kind === 'response' ? [frame.status] : [])),
    send: (text) => socket.write(text),
    async bind(uri) {
      const before = peer.statuses().length;
      socket.write(sendHead(uri, `b${String(++serial).padStart(7, '0')}`, '').trimEnd());
      socket.write(`\r\n-------b${String(serial).padStart(7, '0')}$\r\n`);
      await until(() => peer.statuses().length > before);
    },
  };
  const answer = ({ tid, fromPath, toPath }: MsrpRequest) =>
    socket.write(renderResponse({ tid, status: 200, toPath: fromPath, fromPath: toPath }));
  socket.on('error', () => {});
  socket.on('close', () => {
    peer.closed = true;
  });
  socket.on('data', (octets) => {
    for (const event of framer.push(octets)) {
      if (event.kind !== 'frame') continue;
      frames.push(event.frame);
      if (answers && event.frame.kind === 'request') answer(event.frame);
    }
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  return peer;
}

/** Start line and headers of a SEND; with `headers` that end in a Content-Type also the blank line. */
export function sendHead(to: string, tid: string, headers: string, messageId = 'm123'): string {
  const paths = `To-Path: ${to}\r\nFrom-Path: ${PEER}\r\nMessage-ID: ${messageId}\r\n`;
  return `MSRP ${tid} SEND\r\n${paths}${headers}\r\n`;
}
