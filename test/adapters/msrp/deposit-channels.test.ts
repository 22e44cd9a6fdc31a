/** What comes by the MSRP session of a deposit: told whole and durable, or told that it is lost. */
import { afterEach, describe, expect, it } from 'vitest';
import { INLINE_BYTES_MAX } from '../../../src/adapters/msrp/incoming-body.ts';
import type { ReceivedMessage } from '../../../src/deferral/deposit-channel.ts';
import type { BlobStore } from '../../../src/engine/ports.ts';
import { pass } from '../../controls/turns.ts';
import { contentOf, expectSame, octetsOf } from '../blob/blob-examples.ts';
import { chunk, closeStages, depositStage, IDLE_MS, sha256 } from './deposit-stage.ts';
import { bind, endpoint, raw, text, until, uri } from './loopback.ts';
import { PEER, sendHead } from './raw-peer.ts';

afterEach(closeStages);

describe('a message that comes whole', () => {
  it('small: its body travels with it, and no file is made', async () => {
    const { write, answered, messages, names, own, peer } = await depositStage();
    const octets = octetsOf(700);
    write(chunk(octets));
    await answered(1);
    const [message] = messages;
    expect(message).toMatchObject({
      ...{ messageId: 'm123', contentType: 'text/plain', bytes: 700, chunks: 1 },
      ...{ sha256: sha256(octets), endLineOccurs: false },
    });
    expect(message?.body).toEqual(octets);
    expect(text(message?.head ?? octets)).toBe(
      sendHead(own, 'tid1', 'Byte-Range: 1-700/700\r\nContent-Type: text/plain\r\n'),
    );
    expect([peer.statuses(), names()]).toEqual([[200], []]);
  });

  it('empty: a message of no octets', async () => {
    const { answered, messages, own, peer } = await depositStage();
    peer.send(sendHead(own, 'empty001', 'Byte-Range: 1-0/0\r\nContent-Type: text/plain\r\n'));
    peer.send('\r\n-------empty001$\r\n');
    await answered(1);
    expect(messages).toMatchObject([{ bytes: 0, sha256: sha256(new Uint8Array(0)), chunks: 1 }]);
    expect(messages[0]?.body).toEqual(new Uint8Array(0));
  });

  it.each([
    ['with its event', INLINE_BYTES_MAX],
    ['in the store', INLINE_BYTES_MAX + 1],
    ['in the store', 3_000_000],
  ])('its body is %s: %i octets', async (where, bytes) => {
    const { write, answered, messages, names, files, store } = await depositStage();
    const octets = octetsOf(bytes);
    write(chunk(octets));
    await answered(1);
    const [message] = messages;
    expect(message).toMatchObject({ bytes, sha256: sha256(octets) });
    expect(message?.body === undefined).toBe(where === 'in the store');
    const kept = message?.body ?? (await contentOf(store, sha256(octets)));
    expectSame(kept, octets);
    expect([names().length, files('tmp')]).toEqual([message?.body ? 0 : 1, []]);
  });

  it('in chunks out of order that overlap: later octets replace earlier ones', async () => {
    const { write, answered, messages, store } = await depositStage();
    const octets = octetsOf(200_000);
    const total = octets.length;
    write(chunk(octets.subarray(150_000), { start: 150_001, total }));
    write(chunk(new Uint8Array(50_000), { total }), '+');
    write(chunk(octets.subarray(0, 60_000), { total, tid: 'again001' }), '+');
    write(chunk(octets.subarray(40_000, 150_000), { start: 40_001, total }), '+');
    await answered(4);
    const [message] = messages;
    expect(message).toMatchObject({ bytes: total, sha256: sha256(octets), chunks: 4 });
    // The head is that of the chunk whose first octet stays.
    expect(text(message?.head ?? octets)).toMatch(/^MSRP again001 SEND\r\n/);
    expectSame(await contentOf(store, sha256(octets)), octets);
  });

  it('small, in chunks out of order: put together in memory', async () => {
    const { write, answered, messages, names } = await depositStage();
    const octets = octetsOf(3_000);
    write(chunk(octets.subarray(2_000), { start: 2_001, total: 3_000 }));
    write(chunk(octets.subarray(0, 1_000), { total: 3_000 }), '+');
    write(chunk(octets.subarray(1_000, 2_000), { start: 1_001, total: 3_000 }), '+');
    await answered(3);
    expect(messages[0]?.body).toEqual(octets);
    expect(names()).toEqual([]);
  });

  it('small, but so often repeated that it is not: goes on in the store', async () => {
    const { write, answered, messages, store } = await depositStage();
    const octets = octetsOf(40_000);
    write(chunk(octets.subarray(10_000, 30_000), { start: 10_001, total: 40_000 }), '+');
    for (const tid of ['rep1', 'rep2', 'rep3']) {
      write(chunk(octets.subarray(0, 20_000), { total: 40_000, tid }), '+');
    }
    write(chunk(octets.subarray(30_000), { start: 30_001, total: 40_000 }));
    await answered(5);
    expect(messages).toMatchObject([{ bytes: 40_000, sha256: sha256(octets) }]);
    expect(messages[0]?.body).toBeUndefined();
    expectSame(await contentOf(store, sha256(octets)), octets);
  });

  it('is held by its seal until its fate is known', async () => {
    let decide: (status: 200) => void = () => {};
    const answer = () => new Promise<200>((resolve) => (decide = resolve));
    const { write, answered, messages, store } = await depositStage({ answer });
    const octets = octetsOf(100_000);
    write(chunk(octets));
    await until(() => messages.length > 0);
    expect(await store.remove(sha256(octets), 0)).toBe(false);
    decide(200);
    await answered(1);
    expect(await store.remove(sha256(octets), 0)).toBe(true);
  });

  it('by a connection that we open', async () => {
    const { deposits, messages } = await depositStage();
    const client = await endpoint();
    const { sessionId, host, port } = deposits.offer('d2', false);
    const theirs = uri(client, '2s93i9ek2a');
    const ours = `msrp://${host}:${port}/${sessionId};tcp`;
    const session = client.acceptSession({ localUri: theirs, remotePath: [ours] });
    const path = deposits.conceal('d2', [theirs]);
    expect(path.join()).not.toContain('2s93i9ek2a');
    const none = () => {};
    const on = { bound: none, aborted: none, idle: none, lost: none };
    const completed = async (message: ReceivedMessage) => {
      messages.push(message);
      return 200 as const;
    };
    deposits.open('d2', { path, setup: 'passive' }, { ...on, completed });
    const body = octetsOf(100_000);
    const outgoing = { key: '1', messageId: 'm999', contentType: 'text/plain', body };
    expect(await session.send(outgoing)).toEqual({ outcome: 'acknowledged' });
    expect(messages).toMatchObject([{ messageId: 'm999', sha256: sha256(body) }]);
  });
});

describe('the end-line of its first SEND in its body (A-25)', () => {
  const before = octetsOf(30_000).map((octet) => octet & 0x7f || 1);
  const line = Buffer.from('\r\n-------first001$\r\n');

  it.each([
    ['small', 100],
    ['large', 70_000],
  ])('in order, in a %s one, is told', async (_, fill) => {
    const { write, answered, messages } = await depositStage();
    const second = Buffer.concat([Buffer.alloc(fill, 120), line, before]);
    const total = before.length + second.length;
    write(chunk(before, { total, tid: 'first001' }), '+');
    write(chunk(second, { start: before.length + 1, total }));
    await answered(2);
    expect(messages).toMatchObject([{ bytes: total, endLineOccurs: true, chunks: 2 }]);
  });

  it.each([
    ['small', 100],
    ['large', 70_000],
  ])('out of order, in a %s one, is told too', async (_, fill) => {
    const { write, answered, messages } = await depositStage();
    const second = Buffer.concat([Buffer.alloc(fill, 120), line]);
    const total = before.length + second.length;
    write(chunk(second, { start: before.length + 1, total }));
    write(chunk(before, { total, tid: 'first001' }), '+');
    await answered(2);
    expect(messages).toMatchObject([{ bytes: total, endLineOccurs: true, chunks: 2 }]);
  });

  it('is not told where only another one stands', async () => {
    const { write, answered, messages } = await depositStage();
    const second = Buffer.from('x\r\n-------second01$\r\n');
    const total = before.length + second.length;
    write(chunk(before, { total, tid: 'first001' }), '+');
    write(chunk(second, { start: before.length + 1, total }));
    await answered(2);
    expect(messages).toMatchObject([{ endLineOccurs: false, chunks: 2 }]);
  });
});

describe('a message that cannot be kept', () => {
  const full = { outcome: 'full', reason: 'no space left' } as const;
  const overlay = (store: BlobStore) => ({
    create(onWritten?: () => void) {
      const writer = store.create(onWritten);
      const seal = async () => {
        writer.discard();
        return full;
      };
      return { ...writer, seal } as const;
    },
  });

  it('the disk is full → 413 and given up; a small one finds its place [RFC 4975 §10.5]', async () => {
    const { write, answered, messages, aborted, names, peer } = await depositStage({ overlay });
    write(chunk(octetsOf(100_000)));
    await answered(1);
    expect(aborted).toEqual([
      { messageId: 'm123', bytes: 100_000, reason: 'the body could not be kept: no space left' },
    ]);
    expect([messages, names()]).toEqual([[], []]);
    write(chunk(octetsOf(500)));
    await answered(2);
    expect(peer.statuses()).toEqual([413, 200]);
  });

  it('its fate cannot be told → 413, and the fault is', async () => {
    const answer = () => Promise.reject(new Error('the log is gone'));
    const { write, answered, faults, peer } = await depositStage({ answer });
    write(chunk(octetsOf(10)));
    await answered(1);
    expect(peer.statuses()).toEqual([413]);
    expect(faults.join()).toMatch(/m123 of deposit d1: .*the log is gone/);
  });

  it('given up by the sender with # → told, and nothing is left of it [RFC 4975 §7.1]', async () => {
    const { write, answered, aborted, files, names } = await depositStage();
    write(chunk(octetsOf(90_000), { total: 200_000 }), '+');
    write(chunk(octetsOf(10_000), { start: 90_001, total: 200_000 }), '#');
    await answered(2);
    expect(aborted).toMatchObject([{ messageId: 'm123' }]);
    await until(() => files('tmp').length === 0);
    expect(names()).toEqual([]);
  });

  it('its connection is dropped in the middle → told, and no file stays', async () => {
    const { write, answered, aborted, files, names, peer, told, own } = await depositStage();
    write(chunk(octetsOf(150_000), { total: 400_000 }), '+');
    await answered(1);
    await until(() => files('tmp').length === 1);
    peer.send(
      sendHead(own, 'cut00001', 'Byte-Range: 150001-*/400000\r\nContent-Type: text/plain\r\n'),
    );
    peer.socket.write(octetsOf(70_000), () => peer.socket.destroy());
    await until(() => told.length > 1 && files('tmp').length === 0);
    expect(aborted).toMatchObject([{ messageId: 'm123' }]);
    expect(aborted[0]?.bytes).toBeGreaterThanOrEqual(150_000);
    expect(told).toEqual(['bound', expect.stringMatching(/^lost: /)]);
    expect(names()).toEqual([]);
  });
});

describe('the end of a session', () => {
  it('its sender hangs up right after the last chunk: that message is told whole', async () => {
    const { write, aborted, messages, names, peer, told } = await depositStage();
    const octets = octetsOf(300_000);
    write(chunk(octets));
    peer.socket.end();
    await until(() => messages.length > 0 && told.length > 1);
    expect(messages).toMatchObject([{ bytes: 300_000, sha256: sha256(octets) }]);
    expect([aborted, names().length]).toEqual([[], 1]);
  });

  it('closed while an answer is owed: it is given, then the connection goes', async () => {
    let decide: (status: 200) => void = () => {};
    const answer = () => new Promise<200>((resolve) => (decide = resolve));
    const { write, answered, deposits, messages, peer, told, own } = await depositStage({ answer });
    write(chunk(octetsOf(100_000)));
    await until(() => messages.length > 0);
    // One that is not whole is given up.
    peer.send(sendHead(own, 'half0001', 'Byte-Range: 1-*/*\r\nContent-Type: a/b\r\n', 'm456'));
    peer.socket.write(octetsOf(1_000));
    deposits.close('d1');
    expect(peer.statuses()).toEqual([]);
    decide(200);
    await answered(1);
    expect(peer.statuses()).toEqual([200]);
    await until(() => peer.closed);
    expect(told, 'who ends it is not told').toEqual(['bound']);
  });

  it('closed: what was not whole is given up, its session is unknown [RFC 4975 §10.8]', async () => {
    const { write, answered, aborted, deposits, files, own, peer, server } = await depositStage();
    write(chunk(octetsOf(100_000), { total: 200_000 }), '+');
    await answered(1);
    deposits.close('d1');
    await until(() => peer.closed && files('tmp').length === 0);
    expect(aborted).toMatchObject([{ messageId: 'm123', bytes: 100_000 }]);
    expect(await raw(server, bind(own))).toContain('MSRP abcd 481 ');
  });

  it('that this process did not offer is lost at once', async () => {
    const { deposits } = await depositStage();
    const lost: string[] = [];
    const none = () => {};
    deposits.open(
      'd9',
      { path: [PEER], setup: 'active' },
      {
        ...{ bound: none, aborted: none, idle: none },
        completed: async () => 413,
        lost: (reason) => lost.push(reason),
      },
    );
    expect(lost).toEqual(['the offer of this session is not from this process']);
    deposits.close('d9');
  });
});

describe('idle time (A-10)', () => {
  it('is told when nothing came for so long, counted from the last octet', async () => {
    const { write, answered, clock, told } = await depositStage();
    write(chunk(octetsOf(10)));
    await answered(1);
    await pass(clock, IDLE_MS - 1);
    write(chunk(octetsOf(10), { tid: 'two2' }));
    await answered(2);
    await pass(clock, IDLE_MS - 1);
    expect(told).toEqual(['bound']);
    await pass(clock, 1);
    expect(told).toEqual(['bound', `idle ${IDLE_MS}`]);
  });

  it('is told again as long as the session stays: it may have come too early', async () => {
    const { own, peer, clock, told } = await depositStage();
    await peer.bind(own);
    await pass(clock, 2 * IDLE_MS);
    expect(told).toEqual(['bound', `idle ${IDLE_MS}`, `idle ${2 * IDLE_MS}`]);
  });

  it('does not pass while an answer is owed to the sender', async () => {
    let decide: (status: 200) => void = () => {};
    const answer = () => new Promise<200>((resolve) => (decide = resolve));
    const { write, answered, clock, messages, told } = await depositStage({ answer });
    write(chunk(octetsOf(10)));
    await until(() => messages.length > 0);
    await pass(clock, 3 * IDLE_MS);
    expect(told).toEqual(['bound']);
    decide(200);
    await answered(1);
    await pass(clock, IDLE_MS);
    expect(told).toEqual(['bound', expect.stringMatching(/^idle /)]);
  });

  it('is not told of a session that is closed, or lost', async () => {
    const { own, peer, clock, deposits, told } = await depositStage();
    await peer.bind(own);
    peer.socket.destroy();
    await until(() => told.length > 1);
    await pass(clock, 5 * IDLE_MS);
    expect(told).toHaveLength(2);
    deposits.close('d1');
    expect(clock.pending()).toBe(0);
  });
});
