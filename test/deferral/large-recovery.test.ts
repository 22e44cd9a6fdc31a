/** Wherever the engine dies in the life of a deposit: what came whole is there once, and waits. */
import { describe, expect, it } from 'vitest';
import type { Fate } from '../controls/faulty-store.ts';
import { type LargeStage, largeFacts, largeStage, SOUND } from '../controls/large-stage.ts';
import type { LeftMessage } from '../controls/scripted-senders.ts';
import { settled } from '../controls/turns.ts';

const small: LeftMessage = { messageId: 'mid1', content: 'Watson, come here.' };
const large: LeftMessage = { messageId: 'mid2', content: 'x'.repeat(9_000), body: 'blob' };
const LATE_END = { path: ['msrp://192.0.2.7:1/a...;tcp'], setup: 'active' } as const;

/**
 * How a session goes, step by step, or how long nothing happens in it. Nobody waits for an answer
 * that a dead engine owes.
 */
type Life = readonly (((stage: LargeStage) => unknown) | number)[];
const invited: Life = [
  ({ senders }) => senders.invite('d1'),
  ({ senders }) => senders.acknowledge('d1'),
  ({ senders }) => senders.session('d1')?.bound('192.0.2.7:40000'),
];
const brought: Life = [
  ({ senders }) => senders.leave('d1', small),
  ({ senders }) => senders.leave('d1', large),
];
const LIVES: Readonly<Record<string, Life>> = {
  'with the BYE of its sender': [
    ...invited,
    ...brought,
    ({ senders }) => senders.say('d1', 'ByeReceived'),
  ],
  'with a BYE before its last message': [
    ...invited,
    ({ senders }) => {
      void senders.leave('d1', small);
      void senders.leave('d1', large);
      return senders.say('d1', 'ByeReceived');
    },
  ],
  'with the loss of its connection': [
    ...invited,
    ...brought,
    ({ senders }) => senders.session('d1')?.lost('closed'),
    3_000,
  ],
  'with idle time': [...invited, ...brought, ({ senders }) => senders.session('d1')?.idle(60_000)],
  'before its ACK': [
    ({ senders }) => senders.invite('d1'),
    ...brought,
    ({ senders }) => senders.session('d1')?.lost('closed'),
    ({ senders }) => senders.say('d1', 'AckMissed'),
    3_000,
  ],
  'with an offer of ours': [
    ({ senders }) => senders.invite('d1', { offer: 'late' }),
    ({ senders }) => senders.acknowledge('d1', { end: LATE_END }),
    ...brought,
    ({ senders }) => senders.say('d1', 'ByeReceived'),
  ],
  'with a drain': [...invited, ...brought, ({ engine }) => engine().drain(500), 4_000],
};

async function lived(
  life: Life,
  fateOf: (append: number, type: string) => Fate,
): Promise<{ readonly stage: LargeStage; readonly appends: readonly string[] }> {
  const stage = await largeStage();
  stage.crash();
  const appends: string[] = [];
  await stage.start(({ stream, events }) => {
    if (!/^(deposit|mailbox)-/.test(stream)) return 'pass';
    const type = events.map((event) => event.type).join('+');
    appends.push(type);
    return fateOf(appends.length, type);
  });
  for (const step of life) {
    if (typeof step === 'number') await stage.pass(step);
    else void step(stage);
    await settled();
  }
  return { stage, appends };
}

/** Dies at the append of this number, or of this type; later ones are neither written nor answered. */
async function dead(life: Life, at: number | string, fate: Fate): Promise<LargeStage> {
  let over = false;
  const { stage } = await lived(life, (append, type) => {
    if (over) return 'never';
    over = append === at || type === at;
    return over ? fate : 'pass';
  });
  expect([at, over]).toEqual([at, true]);
  stage.crash();
  return stage;
}

/** What is appended from here on. */
async function since(stage: LargeStage, before: number): Promise<readonly string[]> {
  return (await stage.types()).slice(before);
}

async function restarted(stage: LargeStage): Promise<readonly string[]> {
  const before = (await stage.types()).length;
  await stage.start();
  await stage.pass(5_000);
  return since(stage, before);
}

describe('a deposit whose server dies', () => {
  it.each(Object.keys(LIVES))(
    'and that ends %s: all that came whole waits, once; nothing is left open [T-28]',
    async (name) => {
      const life = LIVES[name] ?? [];
      const { appends } = await lived(life, () => 'pass');
      expect(appends.length).toBeGreaterThan(5);
      for (const [index, type] of appends.entries()) {
        for (const fate of ['never', 'noAnswer'] as const) {
          const where = `${fate} at ${index + 1}, ${type}`;
          const stage = await dead(life, index + 1, fate);
          await stage.start();
          await stage.pass(5_000);
          expect([where, await largeFacts(stage)]).toEqual([where, SOUND]);
          await stage.register();
          await stage.pass(60_000);
          const states = [...(await stage.rows('mid1')), ...(await stage.rows('mid2'))];
          const others = states.filter(({ state }) => state !== 'delivered');
          expect([where, others, stage.faults]).toEqual([where, [], []]);
        }
      }
    },
  );

  it('twice: the second time while the first is taken up', async () => {
    const life = LIVES['with the BYE of its sender'] ?? [];
    const { appends } = await lived(life, () => 'pass');
    for (const index of appends.keys()) {
      for (let again = 1; again <= 4; again += 1) {
        const stage = await dead(life, index + 1, 'noAnswer');
        let left = again;
        // Who dies in the middle of it never says that he is ready.
        void stage.start(({ stream }) => {
          if (left <= 0) return 'never';
          if (!/^(deposit|mailbox)-/.test(stream)) return 'pass';
          left -= 1;
          return left === 0 ? 'noAnswer' : 'pass';
        });
        await settled();
        stage.crash();
        await stage.start();
        await stage.pass(5_000);
        const where = `${index + 1}, then ${again}`;
        expect([where, await largeFacts(stage)]).toEqual([where, SOUND]);
      }
    }
  });
});

describe('recovery of a deposit', () => {
  const bye = LIVES['with the BYE of its sender'] ?? [];

  it('after MessageCompleted, before MessageDeferred: deferred, then released', async () => {
    const stage = await dead(bye, 'MessageDeferred', 'never');
    expect(stage.senders.seen).toEqual(['200 INVITE d1']);
    expect(await restarted(stage)).toEqual([
      'DepositInterrupted',
      'ByeAnswered',
      'MessageDeferred',
      'MessageReleased',
    ]);
    expect(stage.senders.seen).toEqual(['200 INVITE d1', 'closed d1', 'BYE d1']);
  });

  it('after MessageDeferred, before the answer: what was not answered is kept once', async () => {
    const stage = await dead(bye, 'MessageDeferred', 'noAnswer');
    expect(stage.senders.seen).toEqual(['200 INVITE d1']);
    expect(await restarted(stage)).toEqual([
      'DepositInterrupted',
      'ByeAnswered',
      'MessageReleased',
    ]);
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'waiting' }]);
  });

  it('after ByeReceived, before MessageReleased: the ended session is settled', async () => {
    const stage = await dead(bye, 'MessageReleased', 'never');
    expect(await restarted(stage)).toEqual(['MessageReleased', 'MessageReleased']);
    expect(stage.senders.seen).not.toContain('BYE d1');
    expect(await restarted(stage)).toEqual([]);
  });

  it('in answering: closed without a BYE, since there was no ACK [RFC 3261 §15]', async () => {
    const stage = await dead(bye, 'AckReceived', 'never');
    expect(await restarted(stage)).toEqual(['DepositInterrupted']);
    expect(stage.senders.seen).toEqual(['200 INVITE d1', 'closed d1']);
  });

  it('in receiving: closed with a BYE, which may stay unanswered', async () => {
    const stage = await dead(bye, 'AckReceived', 'noAnswer');
    stage.senders.manners.bye = 'silent';
    expect(await restarted(stage)).toEqual(['DepositInterrupted', 'GraceElapsed']);
    expect(stage.senders.seen.slice(1)).toEqual(['closed d1', 'BYE d1']);
  });

  it('in bye: the BYE is said again, under the next number', async () => {
    const stage = await dead(LIVES['with idle time'] ?? [], 'ByeAnswered', 'never');
    expect(stage.senders.seen.slice(-1)).toEqual(['BYE d1']);
    expect(await restarted(stage)).toContain('DepositInterrupted');
    expect(stage.senders.seen.filter((line) => line === 'BYE d1')).toHaveLength(2);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('is done later when the log cannot take it at the start', async () => {
    const stage = await dead(bye, 'MessageDeferred', 'never');
    let fate: Fate = 'lost';
    void stage.start(() => fate);
    await stage.pass(30_000);
    expect((await largeFacts(stage)).misplaced).not.toEqual([]);
    fate = 'pass';
    await stage.pass(120_000);
    expect(await largeFacts(stage)).toEqual(SOUND);
  });

  it('lets what was released and is held by its owner since stay held', async () => {
    const stage = await largeStage();
    await stage.established('d1');
    await stage.senders.leave('d1', small);
    stage.senders.session('d1')?.lost('closed');
    await settled();
    const [row] = await stage.rows('mid1');
    const { revision = 0, bytes = 0, expiresAt } = row ?? {};
    const removal = { id: 'L1@store.example', revision, bytes, expiresAt, from: 'waiting' };
    const data = { ...removal, by: 'owner' };
    await stage.submit({ type: 'MessageHeld', data, cause: 'owner' });
    await stage.pass(5_000);
    stage.crash();
    await restarted(stage);
    expect(await stage.rows('mid1')).toMatchObject([{ state: 'held' }]);
  });
});
