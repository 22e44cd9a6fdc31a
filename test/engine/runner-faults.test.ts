import { describe, expect, it } from 'vitest';
import { UNKNOWN_FOR_MS } from '../../src/engine/appending.ts';
import type { Outcome } from '../../src/engine/input.ts';
import { CONFLICTS_MAX } from '../../src/engine/runner.ts';
import { faultyStore } from '../controls/faulty-store.ts';
import { pass, settled } from '../controls/turns.ts';
import { counterStore, eventsOf, runnerStage, STREAM } from './runner-stage.ts';

/** Another node that appends just before each append of ours. */
function racedBy(inner: ReturnType<typeof counterStore>, races: number, key?: string) {
  const other = runnerStage(inner);
  let left = races;
  return faultyStore(inner, () => {
    if (left === 0) return 'pass';
    left -= 1;
    return other
      .submit('Counted', key === undefined ? {} : { key }, `other ${left}`)
      .then(() => {});
  });
}

describe('runner: conflicts', () => {
  it('decides again on top of what was faster', async () => {
    const inner = counterStore();
    const store = racedBy(inner, CONFLICTS_MAX);
    const { submit, runner, story } = runnerStage(inner, { store });
    expect(await submit('Counted', { effects: ['tell'] })).toMatchObject({ outcome: 'accepted' });
    await runner.idle();
    expect(story).toEqual(['reply accepted', `tell of ${CONFLICTS_MAX + 1}`]);
    expect(store.asked.map(({ expected }) => expected)).toEqual(['none', 0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('gives up after the eighth, and the next input finds its way', async () => {
    const inner = counterStore();
    const { submit, story } = runnerStage(inner, { store: racedBy(inner, CONFLICTS_MAX + 1) });
    expect(await submit('Counted', { effects: ['tell'] })).toMatchObject({ outcome: 'unknown' });
    expect(story).toEqual(['reply unknown']);
    expect(await submit('Counted')).toMatchObject({ outcome: 'accepted' });
  });

  it('C-16: looks up again whether the other one stored the same message', async () => {
    const inner = counterStore();
    const { submit } = runnerStage(inner, { store: racedBy(inner, 1, 'k') });
    expect(await submit('Counted', { key: 'k' })).toEqual({ outcome: 'ignored' });
    expect((await eventsOf(inner)).length).toBe(1);
  });
});

describe('runner: unknown outcomes', () => {
  it('repeats the same ids at the same revision; meanwhile nobody is answered', async () => {
    const inner = counterStore();
    const store = faultyStore(inner, ({ call }) => (call < 4 ? 'unseen' : 'pass'));
    const { submit, story, clock, runner } = runnerStage(inner, { store });
    const submitted = submit('Counted', { effects: ['ring'] });
    await pass(clock, 500);
    expect(story).toEqual([]);
    await pass(clock, 500);
    expect(await submitted).toMatchObject({ outcome: 'accepted' });
    await runner.idle();
    expect(story).toEqual(['reply accepted', 'ring of 1']);
    expect((await eventsOf(inner)).length).toBe(1);
    const said = store.asked.map(({ expected, events }) => `${expected} ${events[0]?.id}`);
    expect(new Set(said).size).toBe(1);
  });

  it('answers unknown after 20 s, and not before', async () => {
    const inner = counterStore();
    const { submit, story, clock } = runnerStage(inner, {
      store: faultyStore(inner, () => 'lost'),
    });
    const submitted = submit('Counted', { effects: ['ring'] });
    await pass(clock, UNKNOWN_FOR_MS - 1);
    expect(story).toEqual([]);
    await pass(clock, 1);
    expect(await submitted).toEqual({ outcome: 'unknown', reason: 'lost' });
    expect(story).toEqual(['reply unknown']);
  });

  it('performs what was in the log after all, once, though nobody comes back for it', async () => {
    const inner = counterStore();
    let fate: 'unseen' | 'pass' = 'unseen';
    const store = faultyStore(inner, () => fate);
    const { submit, story, clock, runner } = runnerStage(inner, { store });
    const submitted = submit('Counted', { effects: ['ring'] });
    await pass(clock, UNKNOWN_FOR_MS);
    expect(await submitted).toMatchObject({ outcome: 'unknown' });
    fate = 'pass';
    await pass(clock, 60_000);
    await submit('Counted', { effects: ['tell'] });
    await runner.idle();
    expect(story).toEqual(['reply unknown', 'ring of 1', 'reply accepted', 'tell of 2']);
  });

  it('performs nothing that never came into the log', async () => {
    const inner = counterStore();
    let fate: 'lost' | 'pass' = 'lost';
    const store = faultyStore(inner, () => fate);
    const { submit, story, clock, runner } = runnerStage(inner, { store });
    const submitted = submit('Counted', { effects: ['ring'] });
    await pass(clock, UNKNOWN_FOR_MS);
    await submitted;
    fate = 'pass';
    await pass(clock, 60_000);
    await submit('Counted', { effects: ['tell'] });
    await runner.idle();
    expect(story).toEqual(['reply unknown', 'reply accepted', 'tell of 1']);
  });
});

describe('runner: defects', () => {
  it('a chart that throws harms neither its neighbours in the batch nor the lane', async () => {
    const { submit, faults } = runnerStage(counterStore());
    const outcomes = await Promise.all([submit('Counted'), submit('Broken'), submit('Counted')]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['accepted', 'unknown', 'accepted']);
    expect(faults).toEqual(['Error: the chart is broken']);
    expect(await submit('Counted')).toMatchObject({ outcome: 'accepted' });
  });

  it('a reply that throws keeps neither the effects nor the other answers back', async () => {
    const { runner, submit, story, faults } = runnerStage(counterStore());
    const input = { type: 'Counted', at: 0, data: { effects: ['ring'] }, cause: 'a' };
    const outcomes = await Promise.all([
      runner.submit(STREAM, input, () => {
        throw new Error('the socket is gone');
      }),
      submit('Counted', { effects: ['tell'] }),
    ]);
    await runner.idle();
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted']);
    expect(story).toEqual(['reply accepted', 'ring of 1', 'tell of 2']);
    expect(faults).toEqual(['Error: the socket is gone']);
  });

  it('an observer of outcomes that throws changes nothing', async () => {
    const { submit, faults } = runnerStage(counterStore(), {
      onOutcome: () => {
        throw new Error('no counter of that name');
      },
    });
    expect(await submit('Counted')).toMatchObject({ outcome: 'accepted' });
    expect(faults).toHaveLength(1);
  });

  it('an effect handler that throws is told of; the effects of the next event follow', async () => {
    const performed: number[] = [];
    const { submit, runner, faults } = runnerStage(counterStore(), {
      async perform({ revision }) {
        if (revision === 0) throw new Error('no route');
        performed.push(revision);
      },
    });
    await submit('Counted', { effects: ['ring'] });
    await submit('Counted', { effects: ['ring'] });
    await runner.idle();
    expect(performed).toEqual([1]);
    expect(faults).toEqual(['Error: no route']);
  });

  it('a store that throws is told of; what comes while its inputs are answered is decided', async () => {
    const inner = counterStore();
    const store = faultyStore(inner, ({ call }) => (call === 1 ? 'fail' : 'pass'));
    const { runner, submit, faults } = runnerStage(inner, { store });
    let meanwhile: Promise<Outcome> | undefined;
    const input = { type: 'Counted', at: 0, data: {}, cause: 'a' };
    const first = await runner.submit(STREAM, input, async () => {
      meanwhile = submit('Counted');
      await settled();
    });
    expect(first).toMatchObject({ outcome: 'unknown', reason: 'the disk is on fire' });
    expect(await meanwhile).toMatchObject({ outcome: 'accepted' });
    expect(faults).toEqual(['Error: the disk is on fire']);
  });

  it('the state is right when it is asked for while a lane is loaded anew', async () => {
    const inner = counterStore();
    const slow = {
      ...faultyStore(inner, ({ call }) => (call === 3 ? 'fail' : 'pass')),
      async *read(...range: Parameters<typeof inner.read>) {
        for await (const event of inner.read(...range)) {
          await settled();
          yield event;
        }
      },
    };
    const { runner, submit } = runnerStage(inner, { store: slow });
    await submit('Counted');
    await submit('Counted');
    await submit('Counted');
    const asked = runner.state(STREAM);
    const submitted = submit('Counted', {}, 'x');
    expect([await asked, (await submitted).outcome]).toEqual([
      { value: 'open', context: 2 },
      'accepted',
    ]);
    expect(await runner.state(STREAM)).toEqual({ value: 'open', context: 3 });
  });
});
