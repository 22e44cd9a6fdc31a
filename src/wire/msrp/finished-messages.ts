import type { RequestHead } from './head.ts';

/** A message that needs no more octets; its answer may still be open. */
export interface Finished extends Pick<RequestHead, 'fromPath'> {
  status?: number;
  /** Requests that wait for the answer. */
  readonly waiting: RequestHead[];
  /** 0 for a message that was refused. */
  readonly bytes: number;
  readonly failureReport: RequestHead['failureReport'];
}

/** By Message-ID, so that a repetition is recognised; the oldest are forgotten. */
export interface FinishedMessages {
  get(id: string): Finished | undefined;
  put(id: string, entry: Finished): void;
  delete(id: string): void;
}

/** Those without an answer are kept beyond `most`. */
export function finishedMessages(most: number): FinishedMessages {
  const entries = new Map<string, Finished>();

  return {
    get: (id) => entries.get(id),
    put(id, entry) {
      entries.set(id, entry);
      if (entries.size <= most) return;
      for (const [oldId, old] of entries) {
        if (old.status === undefined) continue;
        entries.delete(oldId);
        return;
      }
    },
    delete(id) {
      entries.delete(id);
    },
  };
}
