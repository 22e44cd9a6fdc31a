/**
 * A client that is reached through an MSRP relay alone (RFC 4976 §5): it authenticates itself, is
 * given a path, and then sends and receives. One client is one session.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { sipDigestHash as hash } from '../../src/adapters/host/digest.ts';
import { answerChallenge } from '../../src/wire/sip/digest.ts';
import { parseChallenges } from '../../src/wire/sip/digest-fields.ts';
import type { MsrpRelay } from './msrp-relay.ts';
import { frameOctets, frameReader, type RelayFrame, readFrame } from './msrp-relay-frames.ts';
import {
  type ReceivedMessage,
  type ReceiverManners,
  relayReceiver,
} from './msrp-relay-receiver.ts';
import { type RelayMessage, relaySender, type SentMessage } from './msrp-relay-sender.ts';

const ANSWERED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 5;

export interface RelayClientOptions extends ReceiverManners {
  readonly relay: Pick<MsrpRelay, 'host' | 'port' | 'uri'>;
  /** Default: alice, with the name twice as password. */
  readonly user?: string;
  readonly password?: string;
  /** Seconds, asked for in the AUTH. */
  readonly expires?: number;
  /** Of a relay for TLS: the file of the root that vouches for it. */
  readonly ca?: string;
}

export interface RelayClient {
  /** The client's own URI, which stands in its From-Path. */
  readonly uri: string;
  /** As the relay said; the nearest relay first. */
  readonly usePath: readonly string[];
  /** Seconds. */
  readonly expires: number;
  /** What its SDP says in `a=path`: how peers reach it. */
  readonly path: readonly string[];
  /** All that it sent and got, AUTH included; not what `write` sent. */
  readonly frames: readonly RelayFrame[];
  /** What came to it, whole messages alone. */
  readonly received: readonly ReceivedMessage[];
  /** The SEND without a body by which a session begins (RFC 4975 §5.4); the relay's status. */
  bind(peerPath: readonly string[]): Promise<number>;
  /** Resolves when all is answered and reported; rejects with what was said when it never is. */
  send(peerPath: readonly string[], message: RelayMessage): Promise<SentMessage>;
  /** The next message, in order of completion; rejects when none comes. */
  next(): Promise<ReceivedMessage>;
  /** Waits for what the frames must come to hold; rejects with them. */
  seen(wanted: (frame: RelayFrame) => boolean): Promise<RelayFrame>;
  /** Any octets, as a client with other manners might send them. */
  write(octets: Uint8Array): void;
  /** Resolves when the relay has closed the connection. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Connects and authenticates itself; rejects with the status when the relay refuses. */
export async function relayClient(options: RelayClientOptions): Promise<RelayClient> {
  const socket = await dial(options);
  const frames: RelayFrame[] = [];
  const read = frameReader();
  socket.setNoDelay(true);
  const scheme = options.ca === undefined ? 'msrp' : 'msrps';
  const uri = `${scheme}://127.0.0.1:${socket.localPort}/${randomBytes(10).toString('hex')};tcp`;
  let taken = 0;

  function write(octets: Uint8Array): void {
    frames.push(readFrame(Buffer.from(octets), 'out'));
    socket.write(octets);
  }

  async function seen(wanted: (frame: RelayFrame) => boolean): Promise<RelayFrame> {
    return until(() => frames.find(wanted), frames);
  }

  async function ask(octets: Buffer): Promise<RelayFrame> {
    const { tid } = readFrame(octets, 'out');
    write(octets);
    return seen((frame) => frame.direction === 'in' && frame.tid === tid && isResponse(frame));
  }

  const receiver = relayReceiver({ uri, write, manners: options });
  const closed = once(socket, 'close').then(() => undefined);
  socket.on('data', (chunk: Buffer) => {
    for (const frame of read(chunk)) {
      frames.push(frame);
      receiver.frame(frame);
    }
  });
  // What a lost connection means is for the test to say; `closed` tells of it.
  socket.on('error', () => socket.destroy());
  const granted = await authenticate(ask, uri, options).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  const { usePath } = granted;
  const send = relaySender({
    ...{ uri, usePath, frames, write },
    wait: (settled) => until(settled, frames),
  });

  return {
    uri,
    ...granted,
    path: [...usePath].reverse().concat(uri),
    frames,
    received: receiver.messages,
    async bind(peerPath) {
      const { status = 0 } = await ask(
        frameOctets({
          ...{ tid: freshTid(), says: 'SEND', toPath: [...usePath, ...peerPath], fromPath: [uri] },
          headers: { 'Message-ID': freshTid(), 'Byte-Range': '1-0/0' },
        }),
      );
      return status;
    },
    send,
    async next() {
      const wanted = taken++;
      return until(() => receiver.messages[wanted], frames);
    },
    seen,
    write(octets) {
      socket.write(octets);
    },
    closed,
    close: () => socket.destroy(),
  };
}

async function dial({ relay, ca }: RelayClientOptions): Promise<Socket> {
  const { host, port } = relay;
  if (ca === undefined) {
    const plain = connect(port, host);
    await once(plain, 'connect');
    return plain;
  }
  const secured = connectTls({ host, port, ca: readFileSync(ca) });
  await once(secured, 'secureConnect');
  return secured;
}

/** RFC 4976 §5.1: asks, is challenged, and asks again with credentials. */
async function authenticate(
  ask: (octets: Buffer) => Promise<RelayFrame>,
  uri: string,
  options: RelayClientOptions,
): Promise<Pick<RelayClient, 'usePath' | 'expires'>> {
  const { relay, user: username = 'alice', expires } = options;
  const asked = expires === undefined ? {} : { Expires: `${expires}` };
  const auth = (headers: Record<string, string>) =>
    frameOctets({
      ...{ tid: freshTid(), says: 'AUTH', toPath: [relay.uri], fromPath: [uri] },
      headers: { ...asked, ...headers },
    });
  const { headers, status } = await ask(auth({}));
  const [challenge] = parseChallenges([headers['WWW-Authenticate'] ?? '']);
  if (!challenge) throw new Error(`AUTH was answered ${status}, without a challenge`);
  const credentials = answerChallenge({
    ...{ challenge, username, secret: { password: options.password ?? username + username } },
    // RFC 4976 §9.1: hashed is the rightmost URI of To-Path.
    ...{ method: 'AUTH', uri: relay.uri, cnonce: freshTid(), nc: 1, hash },
  });
  const answer = await ask(auth({ Authorization: credentials ?? '' }));
  if (answer.status !== 200) throw new Error(`AUTH was answered ${answer.status}`);
  const { 'Use-Path': path = '', Expires: granted } = answer.headers;
  return { usePath: path.split(' '), expires: Number(granted) };
}

async function until<T>(look: () => T | undefined, frames: readonly RelayFrame[]): Promise<T> {
  for (let leftMs = ANSWERED_WITHIN_MS; ; leftMs -= LOOK_EVERY_MS) {
    const found = look();
    if (found !== undefined) return found;
    if (leftMs <= 0) throw new Error(`it did not come:\n${transcript(frames)}`);
    await pause(LOOK_EVERY_MS);
  }
}

/** Every frame with its direction; bodies as latin1. */
export function transcript(frames: readonly RelayFrame[]): string {
  return frames.map((frame) => `${frame.direction} ${frame.octets.toString('latin1')}`).join('\n');
}

export function isResponse(frame: RelayFrame): boolean {
  return frame.status !== undefined;
}

/** RFC 4975 §7.1: 64 bits of randomness or more. */
export function freshTid(): string {
  return randomBytes(10).toString('hex');
}
