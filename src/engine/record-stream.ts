/**
 * A stream with a single writer that nobody waits for: signals, refusals, findings. Records go out
 * in the order in which they came, with the next commit of anybody; at most one append is in flight.
 */
import { uuidOf } from './identity.ts';
import { APPEND_BYTES_MAX, type Digest, type EventStore, type ExpectedRevision } from './ports.ts';
import type { Candidate } from './recorded.ts';

export interface RecordStream {
  record(type: string, at: number, data: unknown, octets?: Uint8Array): void;
  /** Resolves when everything recorded so far is in the log. */
  flushed(): Promise<void>;
}

/** Records that wait for the log; beyond it new ones are counted and not kept. */
export const RECORDS_WAITING_MAX = 100_000;
const HEAD_BYTES_ESTIMATE = 1_024;

interface Waiting {
  readonly type: string;
  readonly at: number;
  readonly data: unknown;
  readonly octets: Uint8Array | undefined;
}

export async function openRecordStream(options: {
  readonly store: EventStore;
  readonly stream: string;
  readonly digest: Digest;
  /** Told of records that could not be kept. */
  onLoss(count: number, reason: string): void;
}): Promise<RecordStream> {
  const { store, stream, digest, onLoss } = options;
  const namespace = digest.sha256(new TextEncoder().encode(stream)).slice(0, 16);
  let expected: ExpectedRevision = (await store.last(stream))?.revision ?? 'none';
  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;

  /** Ids need no hash of their own: one writer, so the revision says it all. */
  function idOf(revision: number): string {
    const octets = namespace.slice();
    new DataView(octets.buffer).setBigUint64(8, BigInt(revision));
    return uuidOf(octets);
  }

  function take(): Candidate[] {
    const next = expected === 'none' ? 0 : expected + 1;
    const batch: Candidate[] = [];
    let bytes = 0;
    for (const { type, at, data, octets } of waiting) {
      bytes += HEAD_BYTES_ESTIMATE + (octets?.length ?? 0);
      if (batch.length > 0 && bytes > APPEND_BYTES_MAX) break;
      const id = idOf(next + batch.length);
      batch.push({ id, type, at, data, ...(octets === undefined ? {} : { octets }), meta: {} });
    }
    waiting = waiting.slice(batch.length);
    return batch;
  }

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = take();
      let result = await store.append(stream, expected, batch, { flush: 'next' });
      // The same ids at the same revision: repeating an unknown outcome writes nothing twice.
      if (result.outcome === 'unknown') result = await store.append(stream, expected, batch);
      if (result.outcome === 'appended') {
        expected = result.revision;
      } else {
        onLoss(batch.length, result.outcome === 'unknown' ? result.reason : 'a second writer');
        expected = (await store.last(stream))?.revision ?? 'none';
      }
    }
  }

  return {
    record(type, at, data, octets) {
      if (waiting.length >= RECORDS_WAITING_MAX) return onLoss(1, 'the log is too slow');
      waiting.push({ type, at, data, octets });
      writing ??= write()
        .catch((fault: unknown) => onLoss(waiting.length, String(fault)))
        .finally(() => {
          writing = undefined;
        });
    },
    async flushed() {
      while (writing) await writing;
    },
  };
}
