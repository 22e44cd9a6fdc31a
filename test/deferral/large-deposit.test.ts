/** What a sender leaves by its MSRP session is in the log before it is answered, and is kept once. */
import { describe, expect, it } from 'vitest';
import { CONFLICTS_MAX } from '../../src/engine/runner.ts';
import type { Fate } from '../controls/faulty-store.ts';
import { type LargeStage, largeFacts, largeStage, SOUND } from '../controls/large-stage.ts';
import { pass, settled } from '../controls/turns.ts';

const HOUR_MS = 3_600_000;
const small = { messageId: 'mid1', content: 'Watson, come here.' };
const large = { messageId: 'mid2', content: 'x'.repeat(9_000), body: 'blob' } as const;

async function established(): Promise<LargeStage> {
  const stage = await largeStage();
  await stage.established('d1');
  return stage;
}

/** A session whose appends of this type meet that fate. */
async function faulty(type: string, fateOf: () => Fate): Promise<LargeStage> {
  const stage = await largeStage();
  stage.crash();
  await stage.start(({ events }) =>
    events.some((event) => event.type === type) ? fateOf() : 'pass',
  );
  await stage.established('d1');
  return stage;
}

describe('a message that came whole', () => {
  it('is completed, deferred and then answered 200 [IM-11.3.2.2-3] [T-01]', async () => {
    const stage = await established();
    const before = (await stage.types()).length;
    expect(await stage.senders.leave('d1', small)).toBe(200);
    expect((await stage.types()).slice(before)).toEqual(['MessageCompleted', 'MessageDeferred']);
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'held', kind: 'large', bytes: 18 }]);
  });

  it('is held until its session has ended (A-25), then pushed', async () => {
    const stage = await established();
    await stage.register();
    await stage.senders.leave('d1', small);
    await settled();
    expect(stage.client.seen).toEqual([]);
    await stage.senders.say('d1', 'ByeReceived');
    await settled();
    expect(stage.client.seen).toEqual(['INVITE', 'ACK', 'SEND L1@store.example', 'BYE']);
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'delivered' }]);
    expect(await largeFacts(stage)).toEqual(SOUND);
    expect(stage.faults).toEqual([]);
  });

  it('is kept with the priority of its INVITE and expires as a MESSAGE does', async () => {
    const stage = await largeStage();
    await stage.established('d1', { headers: ['Priority: urgent'] });
    await stage.senders.leave('d1', small);
    const [row] = await stage.rows('mid1');
    expect(row?.priority).toBe('urgent');
    expect((row?.expiresAt ?? 0) - (row?.receivedAt ?? 0)).toBeGreaterThanOrEqual(24 * HOUR_MS);
  });

  it('each of several is a message of its own, in their order (A-48)', async () => {
    const stage = await largeStage();
    expect(await stage.left('d1', small, large, { messageId: 'mid3', content: '' })).toEqual([
      200, 200, 200,
    ]);
    await stage.register();
    expect(stage.client.seen.slice(2, -1)).toEqual([
      'SEND L1@store.example',
      'SEND L2@store.example',
      'SEND L3@store.example',
    ]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('that comes behind the BYE is stored and pushed at once [T-03]', async () => {
    const stage = await established();
    await stage.senders.say('d1', 'ByeReceived');
    const on = stage.senders.session('d1');
    const { messageId } = small;
    const late = on?.completed({
      ...{ messageId, contentType: 'text/plain', bytes: 0, sha256: 'ab', chunks: 1 },
      ...{ head: new Uint8Array(0), body: new Uint8Array(0), endLineOccurs: false },
    });
    expect(await late).toBe(200);
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'waiting' }]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('that was given up is recorded, and nothing is stored (A-09) [T-03]', async () => {
    const stage = await established();
    stage.senders.session('d1')?.aborted({ messageId: 'mid1', bytes: 12, reason: 'given up' });
    await stage.senders.say('d1', 'ByeReceived');
    await settled();
    expect((await stage.types()).slice(-2)).toEqual(['DepositAborted', 'ByeReceived']);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('an expired one is not released when its session ends', async () => {
    const stage = await established();
    await stage.senders.leave('d1', large);
    await stage.pass(31 * 24 * HOUR_MS);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'expired' }]);
    await stage.senders.say('d1', 'ByeReceived');
    await settled();
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'expired' }]);
    await stage.register();
    expect(stage.client.seen).toEqual([]);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });
});

describe('every way out of a session releases what it brought', () => {
  const ends: readonly (readonly [string, (stage: LargeStage) => Promise<unknown> | undefined])[] =
    [
      ['BYE', (stage) => stage.senders.say('d1', 'ByeReceived')],
      ['the connection', async (stage) => stage.senders.session('d1')?.lost('closed')],
      ['idle time', async (stage) => stage.senders.session('d1')?.idle(60_000)],
      ['an interruption', (stage) => stage.senders.say('d1', 'DepositInterrupted', CANCELLED)],
      ['a drain', (stage) => drained(stage)],
    ];
  const CANCELLED = { cause: 'cancelled' };
  async function drained(stage: LargeStage): Promise<void> {
    const draining = stage.engine().drain(1_000);
    await pass(stage.clock, 5_000);
    await draining;
  }

  it.each(ends)('%s (A-10, A-25)', async (_, end) => {
    const stage = await established();
    await stage.senders.leave('d1', small);
    await stage.senders.leave('d1', large);
    await end(stage);
    await settled();
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'waiting' }]);
    expect(await stage.rows('mid2')).toMatchObject([{ state: 'waiting' }]);
    await stage.pass(10_000);
    expect(await largeFacts(stage)).toEqual(SOUND);
    expect(stage.senders.seen).toContain('closed d1');
    expect(stage.faults).toEqual([]);
  });

  it.each(['answer', 'silent'] as const)('a lost one gets our BYE, which meets %s', async (bye) => {
    const stage = await established();
    stage.senders.manners.bye = bye;
    await stage.senders.leave('d1', small);
    stage.senders.session('d1')?.lost('closed');
    await stage.pass(10_000);
    expect(stage.senders.seen).toEqual(['200 INVITE d1', '200 mid1', 'closed d1', 'BYE d1']);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('an answer that nobody acknowledged: lost, and no BYE before the ACK is missed', async () => {
    const stage = await largeStage();
    void stage.senders.invite('d1');
    await settled();
    await stage.senders.leave('d1', small);
    stage.senders.session('d1')?.lost('closed');
    await settled();
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'waiting' }]);
    expect(stage.senders.seen).not.toContain('BYE d1');
    await stage.senders.say('d1', 'AckMissed');
    await stage.pass(3_000);
    expect(stage.senders.seen).toContain('BYE d1');
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('idle time before the ACK changes nothing, and is heard when it is told again', async () => {
    const stage = await largeStage();
    void stage.senders.invite('d1');
    await settled();
    await stage.senders.leave('d1', small);
    stage.senders.session('d1')?.idle(60_000);
    await settled();
    await stage.senders.acknowledge('d1');
    expect(stage.senders.seen).not.toContain('BYE d1');
    stage.senders.session('d1')?.idle(120_000);
    await stage.pass(3_000);
    expect(stage.senders.seen).toContain('BYE d1');
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('an INVITE without an offer: the session begins with the ACK', async () => {
    const stage = await largeStage();
    void stage.senders.invite('d1', { offer: 'late' });
    await settled();
    expect(stage.senders.session('d1')).toBeUndefined();
    await stage.senders.acknowledge('d1', {
      end: { path: ['msrp://192.0.2.7:1/a...;tcp'], setup: 'active' },
    });
    await settled();
    expect(await stage.senders.leave('d1', small)).toBe(200);
  });
});

describe('the answer waits for the log [T-01]', () => {
  const fates: readonly Fate[] = ['never', 'noAnswer', 'lost', 'unseen', 'fail'];
  const cases = fates.flatMap((fate) =>
    (['MessageCompleted', 'MessageDeferred'] as const).map((type) => [type, fate] as const),
  );

  it.each(cases)('%s that is %s → 413 and no 200, kept at most once', async (type, fate) => {
    let sick = true;
    const stage = await faulty(type, () => (sick ? fate : 'pass'));
    let status: number | undefined;
    void stage.senders.leave('d1', small).then((given) => {
      status = given;
    });
    await stage.pass(15_000);
    if (fate !== 'fail') expect(status).toBeUndefined();
    await stage.pass(8_000);
    expect(status).toBe(413);
    sick = false;
    await stage.pass(120_000);
    await stage.senders.say('d1', 'ByeReceived');
    await stage.pass(60_000);
    expect(await largeFacts(stage)).toEqual(SOUND);
    expect(stage.senders.seen.filter((line) => line.endsWith(' mid1'))).toEqual(['413 mid1']);
  });

  /** Another writer is faster so many times. */
  async function contested(times: number) {
    let left = times;
    const stage = await largeStage();
    stage.crash();
    await stage.start(async ({ stream, events, expected }) => {
      if (events[0]?.type !== 'MessageDeferred' || left === 0) return;
      left -= 1;
      const data = { active: (times - left) % 2 === 0, by: 'owner' };
      const foreign = { id: `f${left}`, type: 'OfflineDeliverySet', at: 1, meta: {}, data };
      await stage.store.append(stream, expected, [foreign]);
    });
    await stage.established('d1');
    return { stage, left: () => left };
  }

  it('a message whose MessageDeferred meets another writer is answered once decided', async () => {
    const { stage, left } = await contested(2);
    expect(await stage.senders.leave('d1', small)).toBe(200);
    expect(left()).toBe(0);
    expect(await stage.rows('mid1')).toHaveLength(1);
  });

  it('one that meets them again and again → 413, and is kept once in the end', async () => {
    const { stage, left } = await contested(CONFLICTS_MAX + 1);
    expect(await stage.senders.leave('d1', small)).toBe(413);
    expect(await stage.rows('mid1')).toEqual([]);
    await stage.pass(10_000);
    expect(left()).toBe(0);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('after a 413 of the log the session is over, and what landed late is kept once (A-08)', async () => {
    let sick = true;
    const stage = await faulty('MessageDeferred', () => (sick ? 'lost' : 'pass'));
    const answer = stage.senders.leave('d1', small);
    await stage.pass(25_000);
    expect(await answer).toBe(413);
    sick = false;
    await stage.pass(60_000);
    expect(await stage.rows('mid1')).toHaveLength(1);
    expect(await largeFacts(stage)).toEqual(SOUND);
    await stage.register();
    expect(stage.client.seen).toEqual(['INVITE', 'ACK', 'SEND L1@store.example', 'BYE']);
    expect(stage.faults).toEqual([]);
  });
});
