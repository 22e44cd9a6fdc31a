/**
 * Contents that no message needs any more are removed, some time after nobody needed them: an
 * acknowledgement may be taken back, and an event that names a content may be on its way into
 * the log. Counting starts anew with each process.
 */
import type { BlobStore, Clock, Views } from '../engine/ports.ts';
import { under } from '../projections/change.ts';
import { blobView, unsettledView } from '../projections/large-messages.ts';

/** Far longer than any append or REPORT takes: ours. */
export const UNNEEDED_FOR_MS = 900_000;
/** Between two looks at what is there: ours. */
export const COLLECT_EVERY_MS = 300_000;

export interface CollectOptions {
  readonly blobs: BlobStore;
  readonly views: Views;
  readonly clock: Clock;
  onFault(where: string, fault: unknown): void;
}

export interface BlobCollection {
  /** Looks once; resolves to how many contents were removed. */
  look(): Promise<number>;
  close(): void;
}

export function collectBlobs(options: CollectOptions): BlobCollection {
  const { blobs, views, clock, onFault } = options;
  /** When a content was first seen to be needed by nobody. */
  let unneeded = new Map<string, number>();
  let cancel = (): void => {};
  let closed = false;

  /** Of messages that are whole and not in their mailbox yet. */
  async function unsettledBlobs(): Promise<ReadonlySet<string | undefined>> {
    const rows = await views.range(unsettledView);
    return new Set(rows.map(([, { blob }]) => blob));
  }

  async function isNeeded(sha256: string): Promise<boolean> {
    const rows = await views.range(blobView, { ...under(sha256), limit: 1 });
    return rows.length > 0;
  }

  async function look(): Promise<number> {
    const unsettled = await unsettledBlobs();
    const now = clock.now();
    const still = new Map<string, number>();
    let removed = 0;
    for await (const { sha256 } of blobs.list()) {
      if (unsettled.has(sha256) || (await isNeeded(sha256))) continue;
      const since = unneeded.get(sha256) ?? now;
      const isDue = now - since >= UNNEEDED_FOR_MS;
      if (isDue && (await blobs.remove(sha256, UNNEEDED_FOR_MS))) removed += 1;
      else still.set(sha256, since);
    }
    unneeded = still;
    return removed;
  }

  function later(): void {
    cancel = clock.timer(COLLECT_EVERY_MS, () => {
      look()
        .catch((fault: unknown) => onFault('removal of contents that nobody needs', fault))
        .finally(() => closed || later());
    });
  }

  later();
  return {
    look,
    close() {
      closed = true;
      cancel();
    },
  };
}
