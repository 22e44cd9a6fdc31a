/**
 * Inputs that a machine did not accept, in the log: the first of each kind at once, then a count per
 * second, so that a noisy peer can neither bump a stream's revision nor fill the disk.
 */
import type { Clock, Digest, EventStore } from '../engine/ports.ts';
import { openRecordStream } from '../engine/record-stream.ts';
import { parseStreamName, streamName } from '../engine/stream-name.ts';

export interface RefusalRecorder {
  refused(stream: string, type: string, reason: string): void;
  flushed(): Promise<void>;
}

const COUNT_EVERY_MS = 1_000;

export async function refusalRecorder(options: {
  readonly store: EventStore;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly node: string;
  onFault(where: string, fault: unknown): void;
}): Promise<RefusalRecorder> {
  const { store, digest, clock, node, onFault } = options;
  const stream = streamName('refusal', node);
  const records = await openRecordStream({
    store,
    stream,
    digest,
    onLoss: (count, reason) => onFault(stream, `${count} records lost: ${reason}`),
  });
  /** Repetitions since the last record, by machine, type and reason. */
  const counts = new Map<string, number>();

  function recordCounts(): void {
    for (const [kind, repeated] of counts) {
      if (repeated === 0) {
        counts.delete(kind);
        continue;
      }
      const [machine, type, reason] = kind.split(' ');
      records.record('InputsRefused', clock.now(), { machine, type, reason, count: repeated });
      counts.set(kind, 0);
    }
  }

  function count(): void {
    recordCounts();
    if (counts.size > 0) clock.timer(COUNT_EVERY_MS, count);
  }

  return {
    refused(from, type, reason) {
      const kind = `${parseStreamName(from).category} ${type} ${reason}`;
      const repeated = counts.get(kind);
      if (repeated !== undefined) {
        counts.set(kind, repeated + 1);
        return;
      }
      if (counts.size === 0) clock.timer(COUNT_EVERY_MS, count);
      counts.set(kind, 0);
      records.record('InputRefused', clock.now(), { stream: from, type, reason });
    },
    flushed() {
      recordCounts();
      return records.flushed();
    },
  };
}
