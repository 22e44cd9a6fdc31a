/**
 * A stream with a single writer that nobody waits for: signals, refusals, findings. Records keep
 * their place: what is recorded before an event is submitted stands before it in the log, since
 * appends are handed to the store in order and none waits for the one before.
 */
import { uuidOf } from './identity.ts';
import { APPEND_BYTES_MAX, type Digest, type EventStore } from './ports.ts';
import type { Candidate } from './recorded.ts';

export interface RecordStream {
  record(type: string, at: number, data: unknown, octets?: Uint8Array): void;
  /** Resolves when everything recorded so far is in the log, or was reported lost. */
  flushed(): Promise<void>;
}

/** Records on their way to the log; beyond it new ones are counted and not kept. */
export const RECORDS_WAITING_MAX = 100_000;
const HEAD_BYTES_ESTIMATE = 1_024;

function bytesOf(octets: Uint8Array | undefined): number {
  return HEAD_BYTES_ESTIMATE + (octets?.length ?? 0);
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
  /** Revision of the last record handed to the store; -1 before the first. */
  let handed = (await store.last(stream))?.revision ?? -1;
  const queue: Candidate[] = [];
  let queuedBytes = 0;
  let waiting = 0;
  const writing = new Set<Promise<void>>();
  /** Set while the stream's head is looked up after a loss: records wait for it. */
  let resuming: Promise<void> | undefined;

  /** Ids need no hash of their own: one writer, so the revision says it all. */
  function idOf(revision: number): string {
    const octets = namespace.slice();
    new DataView(octets.buffer).setBigUint64(8, BigInt(revision));
    return uuidOf(octets);
  }

  /** The records at the front of the queue that fit into one append. */
  function nextBatch(): readonly Candidate[] {
    let count = 0;
    for (let bytes = 0; count < queue.length; count += 1) {
      bytes += bytesOf(queue[count]?.octets);
      if (count > 0 && bytes > APPEND_BYTES_MAX) break;
    }
    return queue.splice(0, count);
  }

  function hand(): void {
    queuedBytes = 0;
    while (!resuming && queue.length > 0) handOne(nextBatch());
  }

  function handOne(batch: readonly Candidate[]): void {
    const first = handed + 1;
    const events = batch.map((record, index) => ({ ...record, id: idOf(first + index) }));
    const expected = handed < 0 ? 'none' : handed;
    handed += events.length;
    const work = store
      .append(stream, expected, events, { flush: 'next' })
      .then((result) => {
        waiting -= events.length;
        if (result.outcome === 'appended') return;
        lost(events.length, result.outcome === 'unknown' ? result.reason : 'appended out of turn');
      })
      .catch((fault: unknown) => {
        waiting -= events.length;
        lost(events.length, String(fault));
      });
    writing.add(work);
    void work.finally(() => writing.delete(work));
  }

  /** What was handed over after the lost ones fails as well; then the stream goes on at its head. */
  function lost(count: number, reason: string): void {
    onLoss(count, reason);
    resuming ??= (async () => {
      await Promise.all(writing);
      handed = (await store.last(stream))?.revision ?? -1;
    })()
      .catch((fault: unknown) => onLoss(0, String(fault)))
      .finally(() => {
        resuming = undefined;
        hand();
      });
  }

  return {
    record(type, at, data, octets) {
      if (waiting >= RECORDS_WAITING_MAX) return onLoss(1, 'the log is too slow');
      waiting += 1;
      const bytes = bytesOf(octets);
      if (queuedBytes + bytes > APPEND_BYTES_MAX) hand();
      // What is recorded in one turn goes out as one append.
      if (queue.length === 0) queueMicrotask(hand);
      queuedBytes += bytes;
      queue.push({ id: '', type, at, data, ...(octets === undefined ? {} : { octets }), meta: {} });
    },
    async flushed() {
      hand();
      while (writing.size > 0 || resuming) await Promise.all([...writing, resuming]);
    },
  };
}
