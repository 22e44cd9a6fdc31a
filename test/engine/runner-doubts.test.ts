import { describe, expect, it } from 'vitest';
import { UNKNOWN_FOR_MS } from '../../src/engine/appending.ts';
import { DOUBT_KEPT_MS } from '../../src/engine/runner.ts';
import { type Asked, type Fate, faultyStore } from '../controls/faulty-store.ts';
import { pass, settled } from '../controls/turns.ts';
import { counterStore, eventsOf, runnerStage, STREAM } from './runner-stage.ts';

function stageOf(fateOf: (asked: Asked) => Fate) {
  const inner = counterStore();
  const store = faultyStore(inner, fateOf);
  return { inner, store, ...runnerStage(inner, { store }) };
}

describe('runner: what was answered unknown', () => {
  it.each(['unseen', 'noAnswer'] as const)(
    'is recorded and performed once when it is submitted again (%s)',
    async (how) => {
      let fate: Fate = how;
      const { inner, submit, story, clock, runner } = stageOf(() => fate);
      const first = submit('Counted', { effects: ['ring'] }, 'same');
      await pass(clock, UNKNOWN_FOR_MS);
      expect(await first).toMatchObject({ outcome: 'unknown' });
      fate = 'pass';
      await pass(clock, 60_000);
      await submit('Counted', { effects: ['tell'] });
      const again = await submit('Counted', { effects: ['ring'] }, 'same');
      const [recorded] = await eventsOf(inner);
      expect(again).toEqual({ outcome: 'accepted', event: recorded });
      await runner.idle();
      expect(await eventsOf(inner)).toHaveLength(2);
      expect(story.filter((line) => !line.startsWith('reply'))).toEqual(['ring of 1', 'tell of 2']);
    },
  );

  it('is recorded when it is submitted again and never came into the log', async () => {
    let fate: Fate = 'lost';
    const { inner, submit, clock } = stageOf(() => fate);
    void submit('Counted', {}, 'same');
    await pass(clock, UNKNOWN_FOR_MS);
    fate = 'pass';
    expect(await submit('Counted', {}, 'same')).toMatchObject({ outcome: 'accepted' });
    expect(await eventsOf(inner)).toHaveLength(1);
  });

  it('is performed also when the store threw after it had written', async () => {
    const inner = counterStore();
    let bad = true;
    const store = {
      ...inner,
      async append(...given: Parameters<typeof inner.append>) {
        const result = await inner.append(...given);
        if (bad) throw new Error('the connection broke');
        return result;
      },
    };
    const { submit, story, clock, runner, faults } = runnerStage(inner, { store });
    expect(await submit('Counted', { effects: ['ring'] })).toMatchObject({ outcome: 'unknown' });
    bad = false;
    await pass(clock, 2_000);
    await runner.idle();
    expect(story).toEqual(['reply unknown', 'ring of 1']);
    expect(faults).toEqual(['Error: the connection broke']);
  });

  it('is performed also when it lands after the log was read again', async () => {
    let fate: Fate = 'lost';
    const { inner, store, submit, story, clock, runner } = stageOf(() => fate);
    void submit('Counted', { effects: ['ring'] });
    await pass(clock, UNKNOWN_FOR_MS + 5_000);
    const late = store.asked[0];
    await inner.append(STREAM, 'none', late?.events ?? []);
    fate = 'pass';
    await pass(clock, DOUBT_KEPT_MS);
    await runner.idle();
    expect(story).toEqual(['reply unknown', 'ring of 1']);
  });

  it('is forgotten at last: no look, no lane stays behind', async () => {
    const { submit, clock } = stageOf(() => 'lost');
    void submit('Counted', { effects: ['ring'] });
    await pass(clock, UNKNOWN_FOR_MS + 3 * DOUBT_KEPT_MS);
    expect(clock.pending()).toBe(0);
  });

  it('is answered before its effects, when the log shows it to who still waits', async () => {
    let other: Promise<unknown> | undefined;
    const inner = counterStore();
    const beside = runnerStage(inner);
    // Written, the answer lost, and then another node is faster than the repetition.
    const store = {
      ...inner,
      async append(...given: Parameters<typeof inner.append>) {
        if (other) return { outcome: 'conflict', head: 1 } as const;
        await inner.append(...given);
        other = beside.submit('Counted', {}, 'other');
        await other;
        return { outcome: 'unknown', reason: 'lost' } as const;
      },
    };
    const { submit, story, clock, runner } = runnerStage(inner, { store });
    const submitted = submit('Counted', { effects: ['ring'] });
    await pass(clock, 1_000);
    expect(await submitted).toMatchObject({ outcome: 'accepted', event: { revision: 0 } });
    await runner.idle();
    expect(story).toEqual(['reply accepted', 'ring of 1']);
    expect(await eventsOf(inner)).toHaveLength(2);
  });
});

describe('runner: a store that does not answer', () => {
  it('A-08: keeps nobody waiting much longer than 20 s, whoever waited before him', async () => {
    const { submit, clock } = stageOf(() => 'never');
    const answeredAfterMs: number[] = [];
    const watched = () => {
      const since = clock.now();
      void submit('Counted').then(({ outcome }) => {
        expect(outcome).toBe('unknown');
        answeredAfterMs.push(clock.now() - since);
      });
    };
    for (let second = 0; second < 30; second += 1) {
      watched();
      await pass(clock, 1_000);
    }
    await pass(clock, 60_000);
    expect(answeredAfterMs).toHaveLength(30);
    expect(Math.min(...answeredAfterMs)).toBeGreaterThanOrEqual(UNKNOWN_FOR_MS);
    expect(Math.max(...answeredAfterMs)).toBeLessThanOrEqual(UNKNOWN_FOR_MS + 2_000);
  });

  it('what waits behind is taken when the log answers again', async () => {
    let fate: Fate = 'lost';
    const { inner, submit, clock } = stageOf(() => fate);
    const first = submit('Counted');
    await pass(clock, UNKNOWN_FOR_MS - 1_000);
    const second = submit('Counted');
    await pass(clock, 1_000);
    fate = 'pass';
    await pass(clock, 1_000);
    expect([(await first).outcome, (await second).outcome]).toEqual(['unknown', 'accepted']);
    expect(await eventsOf(inner)).toHaveLength(1);
  });
});

describe('runner: an event that the store cannot take', () => {
  it('costs the others of its batch nothing', async () => {
    const { submit, store, faults } = stageOf(({ events }) =>
      events.some(({ data }) => (data as { key?: string }).key === 'huge') ? 'fail' : 'pass',
    );
    const outcomes = await Promise.all([
      submit('Counted'),
      submit('Counted', { key: 'huge' }),
      submit('Counted'),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['accepted', 'unknown', 'accepted']);
    expect(faults).toHaveLength(2);
    await settled();
    await Promise.all([submit('Counted'), submit('Counted')]);
    expect(store.asked.at(-1)?.events).toHaveLength(2);
  });
});
