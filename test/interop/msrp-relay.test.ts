/** A relay that is not ours: Kamailio between two clients, and between a client and our endpoint. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MsrpSignal, SessionRequest } from '../../src/adapters/msrp/endpoint.ts';
import { type MemorySink, memorySink } from '../../src/wire/msrp/message-sink.ts';
import { closeEndpoints, endpoint, text, uri } from '../adapters/msrp/loopback.ts';
import { type Certificates, certificates, withoutOpenssl } from '../controls/certificates.ts';
import {
  type MsrpRelay,
  type MsrpRelayOptions,
  msrpRelayAvailable,
  RELAY_CHUNK_BYTES,
  RELAY_EXPIRES,
  RELAY_FRAME_BYTES_MAX,
  startMsrpRelay,
} from '../controls/msrp-relay.ts';
import {
  freshTid,
  type RelayClient,
  type RelayClientOptions,
  relayClient,
} from '../controls/msrp-relay-client.ts';
import { frameOctets } from '../controls/msrp-relay-frames.ts';

const available = msrpRelayAvailable();
const availableTls = available && msrpRelayAvailable('tls') && withoutOpenssl === '';
const TRICKY = [
  '',
  '\r\n',
  '-',
  '\n-------',
  '\r\n-------a1b2c3d4$\r\nMSRP a1b2 SEND\r\n',
  '\0\n\n',
];
/** Every octet there is, and no period that chunks share. */
const octets = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 7919) % 251));

const clients: RelayClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEndpoints();
});

async function client(relay: MsrpRelay, options: Partial<RelayClientOptions> = {}) {
  const made = await relayClient({ relay, ...options });
  clients.push(made);
  return made;
}

function relayFor(options: MsrpRelayOptions = {}): () => MsrpRelay {
  let relay: MsrpRelay | undefined;
  beforeAll(async () => {
    relay = await startMsrpRelay(options);
  });
  afterAll(async () => relay?.close());
  return () => {
    if (!relay) throw new Error('the relay is started before the tests');
    return relay;
  };
}

/** An endpoint of ours whose session has the client as its peer. */
async function ours(peer: RelayClient, options: Partial<SessionRequest<MemorySink>> = {}) {
  const signals: MsrpSignal[] = [];
  const refused: string[] = [];
  const got: Buffer[] = [];
  const made = await endpoint({
    journal: (signal) => signals.push(signal),
    refused: ({ reason }) => refused.push(reason),
  });
  const localUri = uri(made, freshTid());
  const request: SessionRequest<MemorySink> = {
    ...{ localUri, remotePath: peer.path, chunkBytes: RELAY_CHUNK_BYTES },
    on: {
      begin: () => memorySink(),
      message({ sink, bytes }, answer) {
        got.push(Buffer.from(sink.octets(bytes)));
        answer(200);
      },
    },
    ...options,
  };
  const starts = (direction: 'in' | 'out') =>
    signals
      .filter((signal) => signal.direction === direction)
      .map((signal) =>
        text(signal.octets)
          .split('\r\n', 1)[0]
          ?.replace(/^MSRP [^ ]+ /, ''),
      );
  return { made, localUri, request, got, refused, signals, starts };
}

const outgoing = (body: Buffer, n = 1) => ({
  ...{ key: `${n}`, messageId: `push${n}.id`, contentType: 'application/octet-stream', body },
});

describe.skipIf(!available)('a client at the relay', () => {
  const relay = relayFor();

  it('is challenged, then given a path and for how long [RFC 4976 §5.1]', async () => {
    const { usePath, uri: own, path, expires, frames } = await client(relay());
    expect(frames.map(({ method, status }) => method ?? status)).toEqual([
      'AUTH',
      401,
      'AUTH',
      200,
    ]);
    expect(usePath).toEqual([
      expect.stringMatching(/^msrp:\/\/127\.0\.0\.1:\d+\/s[\d.]{16,};tcp$/),
    ]);
    expect(path).toEqual([...usePath, own]);
    expect(expires).toBe(RELAY_EXPIRES.max);
    expect((await client(relay(), { expires: 600 })).expires).toBe(600);
  });

  it.each([
    { who: 'a wrong password', is: { password: 'wrong' }, status: 401 },
    { who: 'an unknown user', is: { user: 'mallory' }, status: 401 },
    { who: 'shorter than allowed', is: { expires: RELAY_EXPIRES.min - 1 }, status: 423 },
    { who: 'longer than allowed', is: { expires: RELAY_EXPIRES.max + 1 }, status: 423 },
  ])('$who → $status', async ({ is, status }) => {
    await expect(client(relay(), is)).rejects.toThrow(`AUTH was answered ${status}`);
  });

  it('may not send by the path of another, nor to anybody else by it [RFC 4976 §6.4]', async () => {
    const [alice, bob] = [await client(relay()), await client(relay(), { user: 'bob' })];
    const elsewhere = [...alice.usePath, 'msrp://127.0.0.1:9/nobody;tcp'];
    for (const toPath of [elsewhere, alice.usePath, [`${relay().uri.replace(';', '/s1;')}`]]) {
      const tid = freshTid();
      const headers = { 'Message-ID': freshTid(), 'Byte-Range': '1-0/0' };
      bob.write(frameOctets({ tid, says: 'SEND', toPath, fromPath: [bob.uri], headers }));
      expect((await bob.seen((frame) => frame.tid === tid)).status).toBe(481);
    }
  });
});

describe.skipIf(!available)('two clients at the relay', () => {
  const relay = relayFor();
  const pair = async () => [await client(relay()), await client(relay(), { user: 'bob' })] as const;

  it('exchange twenty messages octet for octet, each with its REPORT [RFC 4975 §7.1.2]', async () => {
    const [alice, bob] = await pair();
    const bodies = Array.from({ length: 20 }, (_, n) =>
      Buffer.concat([octets(n * 700), Buffer.from(TRICKY[n % TRICKY.length] ?? '')]),
    );
    for (const [n, body] of bodies.entries()) {
      const [from, to] = n % 2 === 0 ? [alice, bob] : [bob, alice];
      const { answers, reports } = await from.send(to.path, { body });
      expect(new Set(answers)).toEqual(new Set([200]));
      expect(reports).toEqual([{ status: 200, range: `1-${body.length}/${body.length}` }]);
      expect((await to.next()).body).toEqual(body);
    }
  });

  it.each([
    { range: 'open', ranges: ['1-*/5000', '2049-*/5000', '4097-*/5000'] },
    { range: 'exact', ranges: ['1-2048/5000', '2049-4096/5000', '4097-5000/5000'] },
    { range: 'unknown', ranges: ['1-*/*', '2049-*/*', '4097-*/*'] },
  ] as const)('$range: nothing changes but the paths [RFC 4976 §6.4.1]', async (of) => {
    const [alice, bob] = await pair();
    await alice.send(bob.path, { body: octets(5000), range: of.range });
    const sends = (who: RelayClient) => who.frames.filter(({ method }) => method === 'SEND');
    const same = ({
      direction,
      toPath,
      fromPath,
      octets: whole,
      ...rest
    }: (typeof alice.frames)[0]) => rest;
    expect(sends(bob).map(same)).toEqual(sends(alice).map(same));
    expect((await bob.next()).ranges).toEqual(of.ranges);
    for (const { toPath, fromPath } of sends(bob)) {
      expect(toPath).toEqual([bob.uri]);
      expect(fromPath).toEqual([...bob.usePath, ...alice.usePath, alice.uri]);
    }
  });

  it('Failure-Report: no → no answer, and the message all the same [RFC 4975 §7.1.4]', async () => {
    const [alice, bob] = await pair();
    const sent = await alice.send(bob.path, { body: 'unanswered', failureReport: 'no' });
    expect(sent).toMatchObject({ answers: [], reports: [{ status: 200 }] });
  });

  it('a frame may be so long and not longer', async () => {
    const [alice, bob] = await pair();
    await alice.send(bob.path, { body: 'x' });
    const head = (alice.frames.at(-3)?.octets.length ?? 0) - 1;
    const longest = RELAY_FRAME_BYTES_MAX - head - '10000'.length + 1;
    const whole = { body: octets(longest), chunkBytes: longest };
    expect((await alice.send(bob.path, whole)).reports).toHaveLength(1);
    const longer = { body: octets(longest + 1), chunkBytes: longest + 1 };
    expect((await alice.send(bob.path, longer)).answers).toEqual([481]);
    const toPath = [...alice.usePath, ...bob.path];
    const headers = { 'Message-ID': freshTid(), 'Content-Type': 'text/plain' };
    const body = octets(16 * 1024);
    alice.write(
      frameOctets({ tid: freshTid(), says: 'SEND', toPath, fromPath: [alice.uri], headers, body }),
    );
    await alice.closed;
  });
});

describe.skipIf(!available)('our endpoint and a client at the relay', () => {
  const relay = relayFor();

  it('passive: the relay connects, and both sides send over that [RFC 4975 §5.4]', async () => {
    const alice = await client(relay());
    const { made, localUri, request, got } = await ours(alice);
    const session = made.acceptSession(request);
    expect(await alice.bind([localUri])).toBe(200);
    expect((await session.bound).bound).toBe(true);
    const bodies = [0, 1, 2048, 2049, 60_000].map(octets);
    for (const [n, body] of bodies.entries()) {
      const { reports } = await alice.send([localUri], { body });
      expect(reports).toEqual([{ status: 200, range: `1-${body.length}/${body.length}` }]);
      expect(await session.send(outgoing(body, n))).toEqual({ outcome: 'acknowledged' });
    }
    expect(got).toEqual(bodies);
    expect(alice.received.map(({ body }) => body)).toEqual(bodies);
  });

  it('active: we connect to the relay, and both sides send over that [RFC 4976 §6.4.2]', async () => {
    const alice = await client(relay());
    const { made, localUri, request, got, signals } = await ours(alice);
    const session = made.connectSession(request);
    expect((await session.bound).bound).toBe(true);
    const bodies = [0, 1, 2048, 2049, 60_000].map(octets);
    const outcomes = bodies.map((body, n) => session.send(outgoing(body, n)));
    expect(new Set((await Promise.all(outcomes)).map(({ outcome }) => outcome))).toEqual(
      new Set(['acknowledged']),
    );
    expect(alice.received.map(({ body }) => body)).toEqual(bodies);
    expect(alice.received[0]?.fromPath).toEqual([...alice.usePath, localUri]);
    await alice.send([localUri], { body: octets(5000) });
    expect(got).toEqual([octets(5000)]);
    expect(new Set(signals.map(({ remote }) => remote))).toEqual(
      new Set([`${relay().host}:${relay().port}`]),
    );
  });

  it('two clients come over one connection of the relay, each in its session', async () => {
    const [alice, bob] = [await client(relay()), await client(relay(), { user: 'bob' })];
    const { made, localUri, request, got, signals } = await ours(alice);
    const other = uri(made, freshTid());
    const [first, second] = [
      made.acceptSession(request),
      made.acceptSession({ ...request, localUri: other, remotePath: bob.path }),
    ];
    await Promise.all([alice.bind([localUri]), bob.bind([other])]);
    await Promise.all([first.bound, second.bound]);
    await alice.send([localUri], { body: 'of alice' });
    await bob.send([other], { body: 'of bob' });
    expect(got.map(String)).toEqual(['of alice', 'of bob']);
    expect(await first.send(outgoing(octets(3000)))).toEqual({ outcome: 'acknowledged' });
    expect(await second.send(outgoing(octets(4000)))).toEqual({ outcome: 'acknowledged' });
    expect([alice, bob].map(({ received }) => received[0]?.body.length)).toEqual([3000, 4000]);
    expect(new Set(signals.map(({ remote }) => remote)).size).toBe(1);
  });

  it('a REPORT of failure comes through: the message has failed [RFC 4975 §7.1.2]', async () => {
    const alice = await client(relay(), { report: () => 403 });
    const { made, request } = await ours(alice);
    const outcome = await made.connectSession(request).send(outgoing(octets(5000)));
    expect(outcome).toEqual({ outcome: 'failed', status: 403, sent: true });
  });

  it('what the client answers stays with the relay, which reports nothing', async () => {
    const alice = await client(relay(), { answer: () => 413 });
    const { made, request, starts } = await ours(alice, { transactionMs: 500 });
    const outcome = await made.connectSession(request).send(outgoing(octets(100)));
    // RFC 4976 §6.4.3 wants a REPORT of it; Kamailio has none.
    expect(outcome).toEqual({ outcome: 'timeout' });
    expect(new Set(starts('in'))).toEqual(new Set(['200 OK']));
  });
});

describe.skipIf(!available)('a relay that connects to who connected to it', () => {
  const relay = relayFor({ backwards: 'connect' });

  it('reports on a connection that is not the session’s, which counts for nothing', async () => {
    const alice = await client(relay());
    const { made, request, starts, refused } = await ours(alice, { transactionMs: 500 });
    const outcome = await made.connectSession(request).send(outgoing(octets(100)));
    expect(outcome).toEqual({ outcome: 'timeout' });
    expect(alice.received).toHaveLength(1);
    expect(starts('in').at(-1)).toBe('REPORT');
    expect(refused).toEqual(['session in use']);
  });

  it('is no worse than the other when we are passive: there is one connection', async () => {
    const alice = await client(relay());
    const { made, localUri, request, got } = await ours(alice);
    const session = made.acceptSession(request);
    await alice.send([localUri], { body: octets(5000) });
    expect(await session.send(outgoing(octets(5000)))).toEqual({ outcome: 'acknowledged' });
    expect(got).toEqual([octets(5000)]);
  });
});

describe.skipIf(!availableTls)(`a relay whose clients come over TLS${withoutOpenssl}`, () => {
  let files: Certificates;
  let relay: MsrpRelay;
  beforeAll(async () => {
    files = certificates();
    relay = await startMsrpRelay({ tls: files.issue('relay', { san: 'IP:127.0.0.1' }) });
  });
  afterAll(async () => {
    await relay?.close();
    files?.remove();
  });

  it('two clients [RFC 4976 §9.2]', async () => {
    const [alice, bob] = [
      await client(relay, { ca: files.ca }),
      await client(relay, { ca: files.ca, user: 'bob' }),
    ];
    await alice.send(bob.path, { body: octets(5000) });
    await bob.send(alice.path, { body: octets(5000) });
    expect([...alice.received, ...bob.received].map(({ body }) => body)).toEqual([
      octets(5000),
      octets(5000),
    ]);
  });

  it('our endpoint waits for it without TLS, and answers over what came', async () => {
    const alice = await client(relay, { ca: files.ca });
    const { made, localUri, request, got } = await ours(alice);
    const session = made.acceptSession(request);
    await alice.send([localUri], { body: octets(5000) });
    expect(await session.send(outgoing(octets(5000)))).toEqual({ outcome: 'acknowledged' });
    expect([got[0], alice.received[0]?.body]).toEqual([octets(5000), octets(5000)]);
    expect(alice.path.every((each) => each.startsWith('msrps://'))).toBe(true);
  });
});
