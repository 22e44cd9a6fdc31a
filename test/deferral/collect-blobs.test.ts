/** Contents go when nobody has needed them for a while, and never while somebody may. */
import { describe, expect, it } from 'vitest';
import { memoryBlobs } from '../../src/adapters/blob/memory.ts';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import {
  COLLECT_EVERY_MS,
  collectBlobs,
  UNNEEDED_FOR_MS,
} from '../../src/deferral/collect-blobs.ts';
import type { BlobStore } from '../../src/engine/ports.ts';
import { projections } from '../../src/projections/all.ts';
import { blobView } from '../../src/projections/large-messages.ts';
import { type LargeStage, largeFacts, largeStage, SOUND } from '../controls/large-stage.ts';
import type { LeftMessage } from '../controls/scripted-senders.ts';
import { simulatedClock } from '../controls/simulated-clock.ts';
import { pass, settled } from '../controls/turns.ts';

/** From the moment nobody needs it: seen at the next look, gone at one after its time. */
const GONE_AFTER_MS = 2 * COLLECT_EVERY_MS + UNNEEDED_FOR_MS;
const DAY_MS = 86_400_000;
const content = 'x'.repeat(9_000);
const one: LeftMessage = { messageId: 'mid1', content, body: 'blob' };
const other: LeftMessage = { messageId: 'mid2', content: 'y'.repeat(9_000), body: 'blob' };

async function waiting(...messages: readonly LeftMessage[]): Promise<LargeStage> {
  const stage = await largeStage();
  await stage.left('d1', ...messages);
  return stage;
}

/** What the owner says of the message, with what the views say of it. */
async function told(stage: LargeStage, type: 'MessageDeleted' | 'MessageHeld', messageId: string) {
  const [row] = await stage.rows(messageId);
  if (!row) throw new Error(`${messageId} is in no mailbox`);
  const { revision, bytes, expiresAt, state: from, source } = row;
  const id = messageId.replace('mid', 'L').concat('@store.example');
  const data = { id, revision, bytes, expiresAt, source, from, by: 'owner' };
  return stage.submit({ type, data, cause: `${type} ${id}` });
}

describe('a content', () => {
  it('stays as long as its message waits', async () => {
    const stage = await waiting(one);
    await stage.pass(DAY_MS);
    expect(await stage.contents()).toHaveLength(1);
  });

  const frees: readonly (readonly [string, (stage: LargeStage) => Promise<unknown>])[] = [
    ['acknowledgement', (stage) => stage.register()],
    ['deletion', (stage) => told(stage, 'MessageDeleted', 'mid1')],
    ['expiry', (stage) => stage.pass(30 * DAY_MS)],
  ];
  it.each(frees)('is freed by %s: it stays for a while, then it goes', async (_, free) => {
    const stage = await waiting(one);
    await free(stage);
    expect(await stage.store.count(blobView)).toBe(0);
    await stage.pass(UNNEEDED_FOR_MS - 1_000);
    expect(await stage.contents()).toHaveLength(1);
    await stage.pass(GONE_AFTER_MS);
    expect(await stage.contents()).toEqual([]);
    expect(stage.faults).toEqual([]);
  });

  it('stays when its message is held by its owner, or parked', async () => {
    const stage = await waiting(one, other);
    await told(stage, 'MessageHeld', 'mid1');
    stage.client.manners.push = 413;
    for (let hour = 0; hour < 12; hour += 1) {
      await stage.register();
      await stage.pass(3_600_000 - 1);
    }
    const states = [...(await stage.rows('mid1')), ...(await stage.rows('mid2'))];
    expect(states.map(({ state }) => state)).toEqual(['held', 'parked']);
    expect(await stage.contents()).toHaveLength(2);
    expect(await largeFacts(stage)).toMatchObject({ contents: [] });
  });

  it('of two messages stays until both need it no more', async () => {
    const stage = await waiting(one, { ...one, messageId: 'mid2' });
    expect(await stage.contents()).toHaveLength(1);
    await told(stage, 'MessageDeleted', 'mid1');
    await stage.pass(DAY_MS);
    expect(await stage.contents()).toHaveLength(1);
    await stage.register();
    expect(stage.client.bodies.map(({ id }) => id)).toEqual(['L2@store.example']);
    await stage.pass(GONE_AFTER_MS);
    expect(await stage.contents()).toEqual([]);
  });

  it('that is acknowledged and taken back stays (A-31)', async () => {
    const stage = await waiting(one, other);
    stage.client.manners.push = 'silent';
    await stage.register();
    for (const id of ['L1@store.example', 'L2@store.example']) stage.client.acknowledge(id);
    stage.client.takeBack('L1@store.example', 413);
    await settled();
    stage.client.manners.invite = 480;
    await stage.pass(DAY_MS / 2);
    expect(await stage.contents()).toHaveLength(1);
    expect(await largeFacts(stage)).toEqual(SOUND);
    stage.client.manners.invite = 'accept';
    stage.client.manners.push = 'acknowledge';
    await stage.register();
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'delivered' }]);
    await stage.pass(GONE_AFTER_MS);
    expect(await stage.contents()).toEqual([]);
  });

  it('goes whatever other sessions have brought that has not found its place', async () => {
    const stage = await waiting(one);
    await stage.register();
    await stage.established('d2');
    await stage.senders.leave('d2', { messageId: 'mid5', content: 'small' });
    await stage.pass(GONE_AFTER_MS);
    expect(await stage.contents()).toEqual([]);
  });

  it('stays while its message is whole and in no mailbox', async () => {
    const stage = await largeStage();
    stage.crash();
    await stage.start(({ events }) =>
      events.some(({ type }) => type === 'MessageDeferred') ? 'lost' : 'pass',
    );
    await stage.established('d1');
    void stage.senders.leave('d1', one);
    await stage.pass(DAY_MS);
    expect(await stage.rows('mid1')).toEqual([]);
    expect(await stage.contents()).toHaveLength(1);
  });

  it('that came again while nobody needed it stays for its new message', async () => {
    const stage = await waiting(one);
    await stage.register();
    await stage.register(0);
    await stage.pass(UNNEEDED_FOR_MS);
    await stage.left('d2', { ...one, messageId: 'mid7' });
    await stage.pass(DAY_MS);
    expect(await stage.contents()).toHaveLength(1);
    await stage.register();
    expect(await stage.rows('mid7')).toMatchObject([{ state: 'delivered' }]);
  });

  it('that no log knows goes, and each process counts anew', async () => {
    const stage = await largeStage();
    const writer = stage.blobs.create();
    writer.write(0, new Uint8Array(5_000));
    const sealed = await writer.seal(5_000);
    if (sealed.outcome === 'sealed') sealed.release();
    for (let life = 0; life < 4; life += 1) {
      await stage.pass(UNNEEDED_FOR_MS - 1_000);
      expect(await stage.contents()).toHaveLength(1);
      stage.crash();
      await stage.start();
    }
    await stage.pass(GONE_AFTER_MS);
    expect(await stage.contents()).toEqual([]);
  });

  it('whose event is on its way into the log stays', async () => {
    const stage = await largeStage();
    let fate: 'lost' | 'pass' = 'pass';
    stage.crash();
    await stage.start(() => fate);
    await stage.established('d1');
    fate = 'lost';
    void stage.senders.leave('d1', one);
    await stage.pass(5_000);
    fate = 'pass';
    await stage.pass(60_000);
    await stage.senders.say('d1', 'ByeReceived');
    await stage.pass(DAY_MS);
    expect(await largeFacts(stage)).toEqual(SOUND);
    expect(await stage.contents()).toHaveLength(1);
  });
});

describe('the collection', () => {
  async function collecting(changes: (kept: BlobStore) => Partial<BlobStore> = () => ({})) {
    const clock = simulatedClock(1_000_000);
    const kept = memoryBlobs({ digest: hostDigest, now: clock.now });
    const writer = kept.create();
    writer.write(0, new Uint8Array(100));
    const sealed = await writer.seal(100);
    const release = sealed.outcome === 'sealed' ? sealed.release : () => {};
    const faults: string[] = [];
    const collection = collectBlobs({
      blobs: { ...kept, ...changes(kept) },
      views: memoryStore({ projections }),
      clock,
      onFault: (where, fault) => faults.push(`${where}: ${fault}`),
    });
    const left = async () => {
      let count = 0;
      for await (const _ of kept.list()) count += 1;
      return count;
    };
    return { clock, collection, faults, left, release };
  }

  it('tells how many it removed', async () => {
    const { clock, collection, release } = await collecting();
    release();
    expect(await collection.look()).toBe(0);
    clock.advance(UNNEEDED_FOR_MS - 1);
    expect(await collection.look()).toBe(0);
    clock.advance(1);
    expect(await collection.look()).toBe(1);
    expect(await collection.look()).toBe(0);
  });

  it('leaves what a seal still holds', async () => {
    const { clock, left, release } = await collecting();
    await pass(clock, DAY_MS);
    expect(await left()).toBe(1);
    release();
    await pass(clock, COLLECT_EVERY_MS);
    expect(await left()).toBe(0);
  });

  it('goes on after a look that failed', async () => {
    let broken = true;
    const { clock, faults, left, release } = await collecting((kept) => ({
      list() {
        if (broken) throw new Error('the folder cannot be read');
        return kept.list();
      },
    }));
    release();
    await pass(clock, COLLECT_EVERY_MS);
    expect(faults.join()).toMatch(/contents that nobody needs.*cannot be read/);
    broken = false;
    await pass(clock, GONE_AFTER_MS);
    expect(await left()).toBe(0);
  });

  it('is over once it is closed', async () => {
    const { clock, collection, left, release } = await collecting();
    release();
    collection.close();
    await pass(clock, DAY_MS);
    expect(await left()).toBe(1);
    expect(clock.pending()).toBe(0);
  });

  it('is over once it is closed, also in the middle of a look', async () => {
    let listed = (): void => {};
    const gate = new Promise<void>((resolve) => {
      listed = resolve;
    });
    const { clock, collection } = await collecting((kept) => ({
      async *list() {
        await gate;
        yield* kept.list();
      },
    }));
    await pass(clock, COLLECT_EVERY_MS);
    collection.close();
    listed();
    await settled();
    expect(clock.pending()).toBe(0);
  });
});
