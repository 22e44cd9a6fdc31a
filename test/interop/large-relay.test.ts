/**
 * A relay that is not ours, Kamailio, between the whole server and its clients: a sender in Large
 * Message mode behind it, then the recipient.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Call, type Calls, openCalls } from '../../src/adapters/ua/calls.ts';
import { renderSenderSdp } from '../../src/adapters/ua/large-sdp.ts';
import { receivedMessage } from '../../src/adapters/ua/received-message.ts';
import { sendMessages } from '../../src/adapters/ua/send-messages.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import type { MessageCompletedData } from '../../src/machines/deposit/events.ts';
import { pathOf } from '../controls/large-script.ts';
import { lineClient } from '../controls/line-client.ts';
import {
  type MsrpRelay,
  msrpRelayAvailable,
  RELAY_CHUNK_BYTES,
  startMsrpRelay,
} from '../controls/msrp-relay.ts';
import { type RelayClient, relayClient } from '../controls/msrp-relay-client.ts';
import type { ReceiverManners } from '../controls/msrp-relay-receiver.ts';
import { readLog } from '../controls/read-log.ts';
import { type ScriptedPeer, scriptedPeer } from '../controls/scripted-peer.ts';
import { type Server, startServer } from '../controls/server.ts';

const HOST = '127.0.0.1';
const TAG = '+g.oma.sip-im.large-message';
const [ALICE, BOB] = ['sip:alice@example.org', 'sip:bob@example.org'];
const LOGGED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;
/** Readable, and no period that chunks share. */
const text = (bytes: number) =>
  Array.from({ length: Math.ceil(bytes / 7) }, (_, n) => `${`${n}`.padStart(6, '.')}\n`)
    .join('')
    .slice(0, bytes);

let relay: MsrpRelay;
let server: Server;
let calls: Calls;
let peer: ScriptedPeer;
const clients: RelayClient[] = [];

async function behindRelay(user: string, manners: ReceiverManners = {}): Promise<RelayClient> {
  const made = await relayClient({ relay, user, ...manners });
  clients.push(made);
  return made;
}

/** INVITE and ACK, straight to the server: the relay is in the path alone. */
async function invited(
  sender: RelayClient,
): Promise<{ readonly call: Call; readonly path: string }> {
  const call = await calls.invite({
    ...{ from: BOB, to: ALICE, headers: { 'accept-contact': `*;${TAG};require;explicit` } },
    sdp: renderSenderSdp({
      ...{ host: HOST, port: relay.port, path: sender.path.join(' ') },
      ...{ setup: 'active', types: ['text/plain'] },
    }),
  });
  expect(call.answer.status).toBe(200);
  call.acknowledge();
  return { call, path: pathOf(call.sdp) };
}

/** Reads the log until something is in it so often. */
async function logged(type: string, count: number): Promise<readonly Recorded[]> {
  for (let leftMs = LOGGED_WITHIN_MS; ; leftMs -= LOOK_EVERY_MS) {
    const log = await readLog(server.data);
    if (log.filter((event) => event.type === type).length >= count) return log;
    if (leftMs <= 0)
      throw new Error(`no ${type}:\n${log.map((e) => `${e.stream} ${e.type}`).join('\n')}`);
    await pause(LOOK_EVERY_MS);
  }
}

const startLineOf = ({ data }: Recorded) => (data as { startLine?: string }).startLine ?? '';
const isReport = (event: Recorded) =>
  event.type === 'SignalReceived' && / REPORT$/.test(startLineOf(event));

/** A session of one message, from its INVITE to our BYE; resolves when it may be pushed. */
async function left(sender: RelayClient, body: string, place: number): Promise<Recorded> {
  const { call, path } = await invited(sender);
  const { answers, reports } = await sender.send([path], { body });
  expect([new Set(answers), reports]).toEqual([
    new Set([200]),
    [{ status: 200, range: `1-${body.length}/${body.length}` }],
  ]);
  expect((await call.bye()).status).toBe(200);
  const log = await logged('MessageReleased', place);
  return log.findLast(({ type }) => type === 'MessageCompleted') as Recorded;
}

const isBye = (event: Recorded) => event.type === 'SignalSent' && /^BYE /.test(startLineOf(event));

describe.skipIf(!msrpRelayAvailable())('the server, and clients behind a relay', () => {
  beforeAll(async () => {
    relay = await startMsrpRelay();
  });
  beforeEach(async () => {
    const args = ['--domain', 'example.org', '--trust', '127.0.0.0/8', '--journal', 'full'];
    server = await startServer({ args });
    calls = await openCalls({
      server: { transport: 'udp', host: HOST, port: server.sipPort },
      listen: { host: HOST },
      contact: { user: 'bob', params: `;${TAG}` },
      product: 'test',
    });
    peer = scriptedPeer();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    peer?.close();
    calls?.close();
    await server?.remove();
  });
  afterAll(() => relay?.close());

  it('left through it in chunks, reported on; pushed through it likewise [RFC 4976 §6.4] [A-46]', async ({
    task,
  }) => {
    const bodies = [text(5000), text(200 * 1024)];
    const bob = await behindRelay('bob');
    for (const [index, body] of bodies.entries()) {
      const { data } = await left(bob, body, index + 1);
      const { bytes, chunks } = data as MessageCompletedData;
      expect([bytes, chunks]).toEqual([body.length, Math.ceil(body.length / RELAY_CHUNK_BYTES)]);
    }
    await sendMessages({
      ...{ server: { transport: 'udp', host: HOST, port: server.sipPort }, domain: 'example.org' },
      ...{ from: 'bob', to: 'alice', bodies: ['a short one'] },
    });

    const alice = await behindRelay('alice');
    const line = lineClient(await peer.datagrams(server.sipPort));
    await line.register();
    const push = await line.invited(alice.path.join(' '), relay.port);
    const got = [await alice.next(), await alice.next(), await alice.next()];
    await push.bye();
    const read = got.map((incoming) => receivedMessage(incoming, false));
    expect(read.map(({ type }) => type)).toEqual([
      ...['message/msrp', 'message/msrp', 'message/sipfrag'],
    ]);
    expect(read.map((message) => message.text)).toEqual([...bodies, 'a short one']);
    const sends = alice.frames.filter(({ method, body }) => method === 'SEND' && body);
    expect(Math.max(...sends.map(({ body }) => body?.length ?? 0))).toBe(RELAY_CHUNK_BYTES);
    expect(new Set(sends.map(({ headers }) => headers['Success-Report']))).toEqual(
      new Set(['yes']),
    );

    const log = await logged('DeliveryEnded', 1);
    const places = (is: (event: Recorded) => boolean) =>
      log.flatMap((event, place) => (is(event) ? [place] : []));
    const acknowledged = places(({ type }) => type === 'PushAcknowledged');
    const reported = places(isReport);
    expect([acknowledged.length, reported.length]).toEqual([3, 3]);
    expect(acknowledged.every((place, index) => place > (reported[index] ?? 0))).toBe(true);
    expect(log.findIndex(isBye)).toBeGreaterThan(Math.max(...acknowledged));
    Object.assign(task.meta, { measured: `${sends.length} chunks pushed through the relay` });
  });

  it('what its client reports to have failed is pushed again under its name [A-31] [T-26]', async () => {
    await left(await behindRelay('bob'), text(5000), 1);
    await left(await behindRelay('bob'), text(6000), 2);
    const line = lineClient(await peer.datagrams(server.sipPort));
    const refusing = await behindRelay('alice', {
      report: ({ body }) => (body.length < 6000 ? 413 : 200),
    });
    await line.register();
    const first = await line.invited(refusing.path.join(' '), relay.port);
    await first.bye();
    const log = await logged('DeliveryEnded', 1);
    const outcomes = log.filter(({ type }) => /^Push(Failed|Acknowledged)$/.test(type));
    expect(outcomes.map(({ type }) => type)).toEqual(['PushFailed', 'PushAcknowledged']);
    expect(outcomes[0]?.data).toMatchObject({ outcome: 'failed', status: 413 });

    const taking = await behindRelay('alice');
    await line.register();
    const second = await line.invited(taking.path.join(' '), relay.port);
    const again = await taking.next();
    await second.bye();
    expect(again.messageId).toBe(refusing.received[0]?.messageId);
    expect(receivedMessage(again, true).text).toBe(text(5000));
    await logged('DeliveryEnded', 2);
    expect(taking.received).toHaveLength(1);
  });
});
