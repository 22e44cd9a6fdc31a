/** Cases of several connections, played over loopback on the endpoint that has sockets. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MsrpEndpoint, openMsrpEndpoint } from '../../../../src/adapters/msrp/endpoint.ts';
import { memorySink } from '../../../../src/wire/msrp/message-sink.ts';
import { type Delivered, type Expectation, type Step, type TcpCase, textOf } from './cases.ts';
import { differences, type Names } from './expectations.ts';
import { latin } from './play.ts';
import { frameReader, type WrittenFrame } from './written-frames.ts';

/** How long to wait for what must come, and for what must not. */
const DEADLINE_MS = 2000;
const QUIET_MS = 40;

interface Line {
  readonly socket: Socket;
  /** All octets that came, and the frames in them that no expectation has seen. */
  heard: string;
  frames: WrittenFrame[];
}

interface Peer {
  readonly the: TcpCase;
  readonly endpoint: MsrpEndpoint;
  readonly names: Names;
  readonly lines: Map<string, Line>;
  /** Connections that the endpoint opened, oldest first, and those not yet given a name. */
  readonly opened: Line[];
  readonly unnamed: Line[];
  readonly ended: Set<string>;
  delivered: Delivered[];
}

/** What is not as the case says. */
export async function playOverTcp(the: TcpCase): Promise<readonly string[]> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const endpoint = await openMsrpEndpoint({
    listen: { host: '127.0.0.1', port: 0 },
    clock: {
      now: () => Date.now(),
      timer(delayMs, callback) {
        const timeout = setTimeout(callback, delayMs);
        return () => clearTimeout(timeout);
      },
    },
    random: (octets) => randomBytes(octets),
  });
  const peer: Peer = {
    ...{ the, endpoint, names: new Map([['port', String(port)]]), lines: new Map() },
    ...{ opened: [], unnamed: [], ended: new Set(), delivered: [] },
  };
  listener.on('connection', (socket) => {
    const line = lineOf(socket);
    peer.opened.push(line);
    peer.unnamed.push(line);
  });
  for (const session of the.sessions) begin(session, peer);
  const found: string[] = [];
  for (const [index, step] of the.steps.entries()) {
    found.push(...(await take(step, peer)).map((each) => `step ${index}: ${each}`));
    if (found.length > 0) break;
  }
  for (const { socket } of [...peer.lines.values(), ...peer.opened]) socket.destroy();
  await endpoint.close();
  listener.close();
  return found;
}

function lineOf(socket: Socket): Line {
  const reader = frameReader();
  const line: Line = { socket, heard: '', frames: [] };
  socket.on('data', (octets) => {
    line.heard += latin(octets);
    // What is no MSRP, such as TLS, is kept as it is.
    if (line.heard.startsWith('MSRP')) line.frames.push(...reader.read(latin(octets)));
  });
  socket.on('error', () => {});
  return line;
}

function begin(session: TcpCase['sessions'][number], peer: Peer): void {
  const { name, role, localUri, sends } = session;
  const remotePath = session.remotePath.map((uri) => textOf(uri, peer.names));
  const open = role === 'active' ? peer.endpoint.connectSession : peer.endpoint.acceptSession;
  const made = open({
    ...{ localUri, remotePath },
    on: {
      begin: () => memorySink(),
      message({ messageId, contentType, sink, bytes }, answer) {
        const body = latin(sink.octets(bytes));
        peer.delivered.push({ session: name, messageId, contentType, body });
        answer(200);
      },
      lost: () => peer.ended.add(name),
    },
  });
  if (sends === undefined) return;
  const body = Buffer.from(sends, 'latin1');
  made.send({ key: name, messageId: `id-of-${name}`, contentType: 'text/plain', body });
}

async function take(step: Step, peer: Peer): Promise<readonly string[]> {
  const { lines, endpoint } = peer;
  if ('connect' in step) {
    const socket = connect(endpoint.port, '127.0.0.1');
    lines.set(String(step.connect), lineOf(socket));
    await once(socket, 'connect');
  } else if ('accept' in step) {
    const late = Date.now() + DEADLINE_MS;
    while (peer.unnamed.length === 0 && Date.now() < late) await sleep(1);
    const line = peer.unnamed.shift();
    if (line === undefined) return ['the endpoint has not connected'];
    lines.set(step.accept, line);
  } else if ('arrive' in step) {
    lines.get(step.on ?? '')?.socket.write(textOf(step.arrive, peer.names), 'latin1');
  } else if ('disconnect' in step) lines.get(String(step.disconnect))?.socket.destroy();
  else if ('wait' in step) await sleep(step.wait);
  else if ('expect' in step) return await judge(step.expect, peer);
  else throw new Error(`this endpoint cannot play ${Object.keys(step).join()}`);
  return [];
}

/** Waits until all is as expected or too late; what must not come has a while to come. */
async function judge(
  expect: Expectation | readonly Expectation[],
  peer: Peer,
): Promise<readonly string[]> {
  const wanted: readonly Expectation[] = Array.isArray(expect) ? expect : [expect];
  const late = Date.now() + DEADLINE_MS;
  let verdicts = wanted.map((each) => verdict(each, peer));
  while (!verdicts.some((found) => found.length === 0) && Date.now() < late) {
    await sleep(1);
    verdicts = wanted.map((each) => verdict(each, peer));
  }
  if (wanted.some(({ frames }) => frames?.length === 0)) {
    await sleep(QUIET_MS);
    verdicts = wanted.map((each) => verdict(each, peer));
  }
  const line = peer.lines.get(wanted[0]?.on ?? '');
  if (line !== undefined) line.frames = [];
  peer.delivered = [];
  return verdicts.some((found) => found.length === 0) ? [] : verdicts.flat();
}

function verdict(want: Expectation, peer: Peer): readonly string[] {
  const { opened, delivered, the } = peer;
  const line = peer.lines.get(want.on ?? '');
  const localUri = the.sessions[0]?.localUri ?? '';
  const seen = { frames: line?.frames ?? [], delivered, outcomes: [], session: 'open', localUri };
  const found = [...differences(want, seen, peer.names)];
  const ended = [...peer.ended].sort().join();
  if (want.ended !== undefined && want.ended.join() !== ended) found.push(`ended: ${ended}`);
  if (want.connections !== undefined && want.connections !== opened.length) {
    found.push(`${opened.length} connections`);
  }
  const clear = opened.some(({ heard }) => heard.startsWith('MSRP'));
  return want.clear === false && clear ? [...found, 'MSRP in the clear'] : found;
}
