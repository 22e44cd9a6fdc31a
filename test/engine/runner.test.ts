import { describe, expect, it } from 'vitest';
import { APPEND_BYTES_MAX } from '../../src/engine/ports.ts';
import { faultyStore } from '../controls/faulty-store.ts';
import { settled } from '../controls/turns.ts';
import { counterStore, eventsOf, runnerStage, STREAM } from './runner-stage.ts';

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('runner: outcomes', () => {
  it('tells what was accepted, ignored and refused, and records only what was accepted', async () => {
    const store = counterStore();
    const { submit } = runnerStage(store);
    expect(await submit('Counted')).toMatchObject({
      outcome: 'accepted',
      event: { type: 'Counted', stream: STREAM, revision: 0, meta: { machine: 'counter@1' } },
    });
    await submit('Closed');
    expect(await submit('Closed')).toEqual({ outcome: 'ignored' });
    expect(await submit('Strange')).toEqual({ outcome: 'refused', reason: 'unexpected' });
    expect((await eventsOf(store)).map(({ type }) => type)).toEqual(['Counted', 'Closed']);
  });

  it('knows no stream whose category has no chart', async () => {
    const { submit } = runnerStage(counterStore());
    await expect(submit('Counted', {}, undefined, 'moon-1')).rejects.toThrow(/category moon/);
  });

  it('goes on where the log stands after a restart', async () => {
    const store = counterStore();
    await runnerStage(store).submit('Counted', {}, 'first');
    const later = runnerStage(store);
    await later.submit('Counted', { effects: ['tell'] }, 'second');
    await later.runner.idle();
    expect(later.story).toEqual(['reply accepted', 'tell of 2']);
    expect((await eventsOf(store)).map(({ revision }) => revision)).toEqual([0, 1]);
  });

  it('tells the state of a stream while nobody works on it, and while somebody does', async () => {
    const store = counterStore();
    await runnerStage(store).submit('Counted');
    const { runner, submit } = runnerStage(store);
    expect(await runner.state(STREAM)).toEqual({ value: 'open', context: 1 });
    const submitted = submit('Counted');
    expect((await runner.state(STREAM)).context).not.toBe(0);
    await submitted;
    expect(await runner.state(STREAM)).toEqual({ value: 'open', context: 2 });
  });
});

describe('runner: order', () => {
  it('replies first, also when the reply takes its time, and then performs', async () => {
    const { opened, open } = gate();
    const { runner, story } = runnerStage(counterStore());
    const input = { type: 'Counted', at: 0, data: { effects: ['ring', 'tell'] }, cause: 'a' };
    const submitted = runner.submit(STREAM, input, async () => {
      await opened;
      story.push('replied');
    });
    await settled();
    expect(story).toEqual([]);
    open();
    await submitted;
    await runner.idle();
    expect(story).toEqual(['replied', 'ring of 1', 'tell of 1']);
  });

  it('performs the effects of one event after those of the event before it', async () => {
    const { opened, open } = gate();
    const story: string[] = [];
    const { submit, runner } = runnerStage(counterStore(), {
      async perform({ revision }, effects) {
        if (revision === 0) await opened;
        for (const { name } of effects) story.push(`${name} of revision ${revision}`);
      },
    });
    await submit('Counted', { effects: ['slow'] });
    await submit('Counted', { effects: ['fast'] });
    await settled();
    expect(story).toEqual([]);
    open();
    await runner.idle();
    expect(story).toEqual(['slow of revision 0', 'fast of revision 1']);
  });

  it('keeps that order for a stream that fell out of memory meanwhile', async () => {
    const { opened, open } = gate();
    const story: string[] = [];
    const { submit, runner } = runnerStage(counterStore(), {
      lanesMax: 1,
      async perform({ stream, revision }) {
        if (stream === STREAM && revision === 0) await opened;
        story.push(`${stream} ${revision}`);
      },
    });
    await submit('Counted', { effects: ['slow'] });
    await settled();
    await submit('Counted', { effects: ['tell'] }, undefined, 'mailbox-juliet');
    await settled();
    await submit('Counted', { effects: ['fast'] });
    await settled();
    open();
    await runner.idle();
    expect(story.filter((line) => line.startsWith(STREAM))).toEqual([`${STREAM} 0`, `${STREAM} 1`]);
  });

  it('does nothing that an input decided before its event is in the log', async () => {
    const { opened, open } = gate();
    const { story, submit, runner } = runnerStage(counterStore(), {
      store: faultyStore(counterStore(), () => opened),
    });
    const submitted = submit('Counted', { effects: ['ring'] });
    await settled();
    expect(story).toEqual([]);
    open();
    await submitted;
    await runner.idle();
    expect(story).toEqual(['reply accepted', 'ring of 1']);
  });

  it('is idle when no input is being decided and no effect performed', async () => {
    const { opened, open } = gate();
    let idle = false;
    const { submit, runner } = runnerStage(counterStore(), { perform: () => opened });
    await submit('Counted', { effects: ['ring'] });
    const waiting = runner.idle().then(() => {
      idle = true;
    });
    await settled();
    expect(idle).toBe(false);
    open();
    await waiting;
  });
});

describe('runner: batches', () => {
  it('has one append of a stream in flight; what comes meanwhile goes out as one', async () => {
    const { opened, open } = gate();
    const inner = counterStore();
    const store = faultyStore(inner, ({ call }) => (call === 1 ? opened : 'pass'));
    const { submit } = runnerStage(inner, { store });
    const submitted = Array.from({ length: 10 }, () => submit('Counted'));
    await settled();
    const late = submit('Counted');
    await settled();
    expect(store.asked.length).toBe(1);
    open();
    await Promise.all([...submitted, late]);
    expect(store.togetherMax()).toBe(1);
    expect(store.asked.map(({ expected, events }) => [expected, events.length])).toEqual([
      ['none', 10],
      [9, 1],
    ]);
  });

  it('never asks for an append above the portable limit', async () => {
    const inner = counterStore();
    const store = faultyStore(inner, () => 'pass');
    const { runner } = runnerStage(inner, { store });
    const octets = new Uint8Array(60_000);
    const inputs = Array.from({ length: 40 }, (_, index) =>
      runner.submit(STREAM, { type: 'Counted', at: 0, data: {}, cause: `${index}`, octets }),
    );
    expect((await Promise.all(inputs)).every(({ outcome }) => outcome === 'accepted')).toBe(true);
    const sizes = store.asked.map(({ events }) => events.length * octets.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(APPEND_BYTES_MAX);
    expect(store.asked.length).toBeLessThan(5);
    expect((await eventsOf(inner)).length).toBe(40);
  });

  it('keeps streams correct that fall out of memory, and has one lane for each', async () => {
    const inner = counterStore();
    const store = faultyStore(inner, () => 'pass');
    const { submit, runner } = runnerStage(inner, { store, lanesMax: 2 });
    const streams = Array.from({ length: 12 }, (_, index) => `mailbox-${index}`);
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(
        [...streams, ...streams].map((name) => submit('Counted', {}, undefined, name)),
      );
    }
    expect(store.togetherMax()).toBe(1);
    for (const stream of streams) {
      expect(await runner.state(stream)).toEqual({ value: 'open', context: 6 });
      expect((await eventsOf(inner, stream)).length).toBe(6);
    }
  });

  it('C-15: a duplicate in the batch is not answered before the original is in the log', async () => {
    const { opened, open } = gate();
    const inner = counterStore();
    const store = faultyStore(inner, () => opened);
    const { submit, story } = runnerStage(inner, { store });
    const both = [submit('Counted', { key: 'k' }), submit('Counted', { key: 'k' })];
    await settled();
    expect(story).toEqual([]);
    open();
    expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual([
      'accepted',
      'ignored',
    ]);
    expect((await eventsOf(inner)).length).toBe(1);
  });

  it('C-15: when the original is lost, the duplicate is not answered as stored', async () => {
    const inner = counterStore();
    const store = faultyStore(inner, () => 'fail');
    const { submit } = runnerStage(inner, { store });
    const both = [submit('Counted', { key: 'k' }), submit('Counted', { key: 'k' })];
    expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual(['unknown', 'unknown']);
    expect(await eventsOf(inner)).toEqual([]);
  });

  it('knows a duplicate also after a restart', async () => {
    const store = counterStore();
    await runnerStage(store).submit('Counted', { key: 'k' });
    expect(await runnerStage(store).submit('Counted', { key: 'k' }, 'again')).toEqual({
      outcome: 'ignored',
    });
  });
});
