/** Large messages on their way out: octet for octet, and one that cannot go keeps no other back. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../src/deferral/blob-body.ts';
import { openEncapsulated } from '../../src/wire/mime/encapsulation.ts';
import { type LargeStage, largeFacts, largeStage, SOUND } from '../controls/large-stage.ts';
import { answered, type WholeBody } from '../controls/scripted-client.ts';
import { type LeftMessage, octetsOf } from '../controls/scripted-senders.ts';
import { settled } from '../controls/turns.ts';

const HOUR_MS = 3_600_000;
const FIRST = 'L1@store.example';
const text = (octets: Uint8Array) => Buffer.from(octets).toString('latin1');
const sha256 = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex');

const small: LeftMessage = { messageId: 'mid1', content: 'Watson, come here.' };
/** More than is read ahead, and no multiple of it. */
const manyOctets = new Uint8Array(2 * BLOCK_BYTES + 77).map((_, at) => (at * 7_919) % 251);
const large: LeftMessage = { messageId: 'mid2', content: manyOctets, body: 'blob' };

async function waiting(...messages: readonly LeftMessage[]): Promise<LargeStage> {
  const stage = await largeStage();
  await stage.left('d1', ...messages);
  return stage;
}

/** The SEND within a body that came: how it is framed is the last thing of each push. */
function innerOf(came: WholeBody | undefined): string {
  if (came === undefined) throw new Error('no body came');
  const opened = openEncapsulated(came.contentType, came.octets);
  if (opened.kind === 'refusal') throw new Error(opened.reason);
  expect(opened.type).toBe('message/msrp');
  return text(opened.message);
}

/** The SEND that carries all of it; the line behind it belongs to the multipart. */
function whole({ messageId, content }: LeftMessage, tid = 't1d1'): string {
  const octets = octetsOf(content);
  const paths = 'To-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n';
  const range = octets.length === 0 ? '1-0/0' : `1-${octets.length}/${octets.length}`;
  const head = `MSRP ${tid} SEND\r\n${paths}Message-ID: ${messageId}\r\nByte-Range: ${range}\r\n`;
  return `${head}Content-Type: text/plain\r\n\r\n${text(octets)}\r\n-------${tid}$\r\n`;
}

async function failures(stage: LargeStage): Promise<readonly unknown[]> {
  return (await stage.log()).filter(({ type }) => type === 'PushFailed').map(({ data }) => data);
}

describe('a Large message is pushed', () => {
  const empty: LeftMessage = { messageId: 'mid3', content: '' };
  it.each([
    ['from its event', small],
    ['from the blob store', large],
    ['with nothing in it', empty],
  ] as const)('octet for octet %s [IM-11.3.2.7-7]', async (_, message) => {
    const stage = await waiting(message);
    await stage.register();
    expect(innerOf(stage.client.bodies[0])).toBe(whole(message));
    const [pushed] = stage.client.pushed;
    const [came] = stage.client.bodies;
    const { body } = pushed?.message ?? {};
    expect(body instanceof Uint8Array ? body.length : body?.bytes).toBe(came?.octets.length);
    expect(await stage.rows(message.messageId)).toMatchObject([{ state: 'delivered' }]);
    expect(stage.faults).toEqual([]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('with the headers of its INVITE [IM-11.3.2.7-4]', async () => {
    const stage = await largeStage();
    await stage.established('d1', { headers: ['Subject: The wager', 'Priority: urgent'] });
    await stage.senders.leave('d1', small);
    await stage.senders.say('d1', 'ByeReceived');
    await settled();
    await stage.register();
    const [came] = stage.client.bodies;
    const pushed = text(came?.octets ?? new Uint8Array(0));
    expect(pushed).toMatch(/\r\nSubject: The wager\r\n/);
    expect(pushed).toMatch(/\r\nFrom: <sip:juliet@example.org>;tag=7711\r\n/);
  });

  it('under another transaction id when its end-line stands in the body (A-25)', async () => {
    const content = 'one\r\n-------t1d1$\r\ntwo';
    const message = { messageId: 'mid1', content, endLineOccurs: true };
    const stage = await waiting(message);
    await stage.register();
    const [, tid = ''] = /^MSRP (\S+) SEND/.exec(innerOf(stage.client.bodies[0])) ?? [];
    expect(tid).toMatch(/^[0-9a-f]{16}$/);
    expect(innerOf(stage.client.bodies[0])).toBe(whole(message, tid));
  });

  it('again with the same Message-ID and body, another one with another (A-15) [T-26]', async () => {
    const other = { ...large, messageId: 'mid9' };
    const stage = await waiting(small, large, other);
    stage.client.manners.push = 'cut';
    await stage.register();
    stage.crash();
    await stage.start();
    stage.client.manners.push = 'acknowledge';
    await stage.pass(60_000);
    const ids = new Map<string, Set<string>>();
    for (const { message } of stage.client.pushed) {
      ids.set(message.key, (ids.get(message.key) ?? new Set()).add(message.messageId));
    }
    expect(stage.client.pushed.length).toBeGreaterThan(3);
    expect([...ids.values()].map(({ size }) => size)).toEqual([1, 1, 1]);
    expect(new Set([...ids.values()].flatMap((set) => [...set])).size).toBe(3);
    const bodies = stage.client.bodies.map(({ id, octets }) => `${id} ${sha256(octets)}`);
    expect(new Set(bodies).size).toBe(3);
    expect(bodies.length).toBeGreaterThan(3);
  });

  it('and MESSAGEs with it, in the order in which they became pushable (A-32)', async () => {
    const stage = await largeStage();
    await stage.established('d1');
    await stage.senders.leave('d1', small);
    await stage.deposit('m1');
    await stage.senders.say('d1', 'ByeReceived');
    await settled();
    await stage.deposit('m2');
    await stage.register();
    expect(stage.client.pushed.map(({ message }) => message.key)).toEqual([
      'm1@store.example',
      FIRST,
      'm2@store.example',
    ]);
  });
});

describe('a Large message that cannot be pushed', () => {
  const behind: LeftMessage = { messageId: 'mid8', content: 'the others go on' };

  it('its content is gone → an attempt, the others go on', async () => {
    const stage = await waiting(large, behind);
    for (const name of await stage.contents()) await stage.blobs.remove(name, 0);
    await stage.register();
    expect(await failures(stage)).toMatchObject([
      { id: FIRST, outcome: 'failed', attempt: true, reason: /not in the blob store/ },
    ]);
    expect(stage.client.bodies.map(({ id }) => id)).toEqual(['L2@store.example']);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'waiting', attempts: 1 }]);
    expect(await stage.rows('mid8')).toMatchObject([{ state: 'delivered' }]);
    expect(stage.faults.join('\n')).toMatch(/L1@store.example: .*not in the blob store/);
  });

  it('its content is damaged → an attempt, and nothing of it that is complete leaves', async () => {
    const stage = await waiting(large, behind);
    for (const name of await stage.contents()) stage.damaged.add(name);
    await stage.register();
    expect(await failures(stage)).toMatchObject([{ id: FIRST, outcome: 'failed', attempt: true }]);
    expect(stage.client.bodies.map(({ id }) => id)).toEqual(['L2@store.example']);
    expect([...stage.client.acknowledged]).toEqual(['L2@store.example']);
    // Once it is repaired, it goes.
    stage.damaged.clear();
    await stage.pass(60_000);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'delivered' }]);
    expect(innerOf(stage.client.bodies.at(-1))).toBe(whole(large));
  });

  it('that stays damaged is parked after five attempts (C-11)', async () => {
    const stage = await waiting(large);
    for (const name of await stage.contents()) stage.damaged.add(name);
    await parkedBy(stage);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'parked', attempts: 5 }]);
  });

  it('larger than the client takes → an attempt, unsent; parked after five', async () => {
    const stage = await waiting(large, behind);
    stage.client.manners.accepts = { maxSize: BLOCK_BYTES };
    await stage.register();
    expect(await failures(stage)).toMatchObject([
      { id: FIRST, attempt: true, reason: `larger than the client takes (${BLOCK_BYTES} octets)` },
    ]);
    expect(stage.client.pushed.map(({ message }) => message.key)).toEqual(['L2@store.example']);
    await parkedBy(stage);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'parked', attempts: 5 }]);
    expect(await stage.rows('mid8')).toMatchObject([{ state: 'delivered' }]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('to a client that takes no message/msrp → unsent, no attempt; MESSAGEs go (A-34)', async () => {
    const stage = await waiting(small, large);
    await stage.deposit('m1');
    stage.client.manners.accepts = { refusesLarge: true };
    await stage.register();
    const refused = { outcome: 'unsent', attempt: false, notAcceptable: true };
    expect(await failures(stage)).toMatchObject([refused, refused]);
    expect(stage.client.pushed.map(({ message }) => message.key)).toEqual(['m1@store.example']);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    await parkedBy(stage);
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'waiting', attempts: 0 }]);
    // Another client may take them.
    stage.client.manners.accepts = {};
    await stage.register();
    await stage.pass(HOUR_MS);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'delivered' }]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('expired when its turn comes → unsent, no attempt', async () => {
    const stage = await waiting(large);
    const [row] = await stage.rows('mid2');
    stage.client.manners.invite = 'silent';
    // It expires while the client rings.
    await stage.pass((row?.expiresAt ?? 0) - stage.clock.now() - 1_000);
    await stage.register();
    const delivery = stage.client.lastDelivery();
    await stage.pass(2_000);
    stage.client.say(delivery, 'InviteAnswered', answered(`tag ${delivery}`));
    await stage.pass(5_000);
    expect(await failures(stage)).toMatchObject([
      { outcome: 'unsent', reason: 'expired', attempt: false },
    ]);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'expired' }]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('taken back after its acknowledgement: waits again, with its content (A-31)', async () => {
    const stage = await waiting(large, behind);
    stage.client.manners.push = 'silent';
    await stage.register();
    stage.client.acknowledge(FIRST);
    await settled();
    expect((await largeFacts(stage)).contents).toEqual([]);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'delivered' }]);
    stage.client.takeBack(FIRST, 413);
    await settled();
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'waiting', attempts: 1 }]);
    expect(await largeFacts(stage)).toEqual(SOUND);
    stage.client.acknowledge('L2@store.example');
    stage.client.manners.push = 'acknowledge';
    await stage.pass(2 * HOUR_MS);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'delivered' }]);
  });
});

/** Registers every hour until whatever fails has failed often enough. */
async function parkedBy(stage: LargeStage): Promise<void> {
  for (let hour = 0; hour < 12; hour += 1) {
    await stage.register();
    await stage.pass(HOUR_MS - 1);
  }
}
