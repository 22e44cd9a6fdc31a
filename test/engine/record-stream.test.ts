import { describe, expect, it } from 'vitest';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import { APPEND_BYTES_MAX, type EventStore } from '../../src/engine/ports.ts';
import { openRecordStream, RECORDS_WAITING_MAX } from '../../src/engine/record-stream.ts';
import { type Asked, type Fate, faultyStore } from '../controls/faulty-store.ts';
import { settled } from '../controls/turns.ts';
import { counterStore, eventsOf, runnerStage, STREAM } from './runner-stage.ts';

const SIGNALS = 'signal-n1';

async function stage(inner: EventStore, fateOf: (asked: Asked) => Fate = () => 'pass') {
  const store = faultyStore(inner, fateOf);
  const losses: string[] = [];
  const records = await openRecordStream({
    store,
    stream: SIGNALS,
    digest: hostDigest,
    onLoss: (count, reason) => losses.push(`${count}: ${reason}`),
  });
  return { store, losses, records };
}

async function typesOf(store: EventStore): Promise<readonly string[]> {
  return (await eventsOf(store, SIGNALS)).map(({ type }) => type);
}

describe('record stream', () => {
  it('keeps the order of records; those of one turn are one append', async () => {
    const inner = counterStore();
    const { records, store } = await stage(inner);
    for (const type of ['a', 'b', 'c']) records.record(type, 1, { type });
    await settled();
    records.record('d', 2, {});
    await records.flushed();
    expect(await typesOf(inner)).toEqual(['a', 'b', 'c', 'd']);
    expect(store.asked.map(({ events }) => events.length)).toEqual([3, 1]);
  });

  it('goes on after the last record of an earlier run', async () => {
    const inner = counterStore();
    const first = await stage(inner);
    first.records.record('a', 1, {});
    await first.records.flushed();
    const second = await stage(inner);
    second.records.record('b', 2, {});
    await second.records.flushed();
    expect(await typesOf(inner)).toEqual(['a', 'b']);
    expect(second.losses).toEqual([]);
  });

  it('places a record before an event that is submitted after it, and after one before', async () => {
    const inner = counterStore();
    const { records } = await stage(inner);
    const { submit } = runnerStage(inner);
    await submit('Counted');
    records.record('received', 1, {});
    await submit('Counted');
    records.record('sent', 2, {});
    await records.flushed();
    const log: string[] = [];
    for await (const { stream } of inner.readAll()) log.push(stream);
    expect(log).toEqual([STREAM, SIGNALS, STREAM, SIGNALS]);
  });

  it('waits for nobody: a slow append holds up no later one', async () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { records, store } = await stage(counterStore(), ({ call }) =>
      call === 1 ? opened : 'never',
    );
    records.record('a', 1, {});
    await settled();
    records.record('b', 1, {});
    await settled();
    expect(store.asked.map(({ expected }) => expected)).toEqual(['none', 0]);
    open();
  });

  it.each(['lost', 'fail'] as const)('says what it lost (%s), and resumes', async (fate) => {
    const inner = counterStore();
    const { records, losses } = await stage(inner, ({ call }) => (call === 2 ? fate : 'pass'));
    for (const type of ['a', 'b', 'c', 'd']) {
      records.record(type, 1, {});
      await records.flushed();
    }
    expect(await typesOf(inner)).toEqual(['a', 'c', 'd']);
    expect(losses).toHaveLength(1);
    expect(losses[0]).toMatch(/^1: /);
  });

  it('keeps what comes while it looks where the log stands, within the limit of an append', async () => {
    const inner = counterStore();
    let looked = Promise.resolve();
    const slow = { ...inner, last: () => looked.then(() => inner.last(SIGNALS)) };
    const { records, losses, store } = await stage(slow, ({ call }) =>
      call === 1 ? 'lost' : 'pass',
    );
    let open = () => {};
    looked = new Promise<void>((resolve) => {
      open = resolve;
    });
    const octets = new Uint8Array(100_000);
    records.record('lost', 1, {});
    await settled();
    for (let index = 0; index < 30; index += 1) records.record(`kept ${index}`, 1, {}, octets);
    await settled();
    open();
    await records.flushed();
    expect(losses).toEqual(['1: lost']);
    expect(await typesOf(inner)).toEqual(Array.from({ length: 30 }, (_, index) => `kept ${index}`));
    const sizes = store.asked.map(({ events }) => events.length * octets.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(APPEND_BYTES_MAX);
  });

  it('is bounded: what a stuck log cannot take is counted and not kept', async () => {
    const { records, losses } = await stage(counterStore(), () => 'never');
    for (let index = 0; index < RECORDS_WAITING_MAX + 3; index += 1) records.record('a', 1, {});
    expect(losses).toEqual(Array.from({ length: 3 }, () => '1: the log is too slow'));
  });
});
