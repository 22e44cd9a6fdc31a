import type { Position, Recorded } from '../../engine/recorded.ts';
import { decodeEvent } from './codec.ts';
import type { Environment } from './lmdb-environment.ts';
import type { LogTail } from './lmdb-tail.ts';

/**
 * A page is read in one go and then handed out, so no snapshot is held while the reader works: one
 * that stays open would keep the store from using pages again.
 */
const PAGE_EVENTS = 256;
const PAGE_BYTES = 1024 * 1024;

/** Reads of the log, each from the newest commit. */
export interface LmdbLog {
  read(stream: string, from: number, limit: number): AsyncIterable<Recorded>;
  /** Strictly after `after`, up to the head of the start. */
  readAll(after: number, limit: number): AsyncIterable<Recorded>;
  /** Those after `count`, to be walked through in one turn of the event loop. */
  after(count: number): Iterable<{ readonly count: number; readonly event: Recorded }>;
  last(stream: string): Recorded | undefined;
  /** 0: the log is empty. */
  head(): number;
  has(stream: string, revision: number): boolean;
  at(stream: string, revision: number): Recorded | undefined;
  /** Revision of the last event of a stream. */
  headOf(stream: string): number | undefined;
}

export function lmdbLog({ log }: Environment, tail: LogTail): LmdbLog {
  function event(count: number): Recorded {
    const value = log.getBinary(count);
    if (!value) throw new Error(`the log has no event at position ${positionOf(count)}`);
    return decodeEvent(value, positionOf(count));
  }

  function head(): number {
    for (const count of log.getKeys({ reverse: true, limit: 1 })) return count;
    return 0;
  }

  /** The next page of the log; `bytes` keeps a page of large events small. */
  function page(after: number, to: number, limit: number): (readonly [number, Uint8Array])[] {
    const entries: (readonly [number, Uint8Array])[] = [];
    let bytes = 0;
    const options = { start: after + 1, end: to + 1, limit: Math.min(limit, PAGE_EVENTS) };
    for (const { key, value } of log.getRange(options)) {
      entries.push([key, value]);
      bytes += value.length;
      if (bytes >= PAGE_BYTES) break;
    }
    return entries;
  }

  async function* readAll(after: number, limit: number): AsyncGenerator<Recorded> {
    const to = head();
    let last = after;
    let left = limit;
    while (last < to && left > 0) {
      const entries = page(last, to, left);
      for (const [count, value] of entries) yield decodeEvent(value, positionOf(count));
      last = entries.at(-1)?.[0] ?? to;
      left -= entries.length;
    }
  }

  async function* read(stream: string, from: number, limit: number): AsyncGenerator<Recorded> {
    let next = from;
    let left = limit;
    while (left > 0) {
      const size = Math.min(left, PAGE_EVENTS);
      const counts = tail.places(stream, next, size);
      for (const count of counts) yield event(count);
      if (counts.length < size) return;
      next += size;
      left -= size;
    }
  }

  function at(stream: string, revision: number): Recorded | undefined {
    const count = tail.place(stream, revision);
    return count === undefined ? undefined : event(count);
  }

  return {
    read,
    readAll,
    *after(from) {
      let last = from;
      for (;;) {
        const entries = page(last, Number.MAX_SAFE_INTEGER - 1, PAGE_EVENTS);
        for (const [count, value] of entries) {
          yield { count, event: decodeEvent(value, positionOf(count)) };
          last = count;
        }
        if (entries.length === 0) return;
      }
    },
    last(stream) {
      const revision = tail.headOf(stream);
      return revision === undefined ? undefined : at(stream, revision);
    },
    head,
    has: (stream, revision) => tail.place(stream, revision) !== undefined,
    at,
    headOf: tail.headOf,
  };
}

/** Positions count from 1; padded, so that `<` on two is their order. */
export function positionOf(count: number): Position {
  return String(count).padStart(15, '0');
}

/** 0, the place before the first event, when there is no position. */
export function countOf(position: Position | undefined): number {
  return position === undefined ? 0 : Number(position);
}
