import type { SessionClock } from './transactions.ts';

/** Keys of the messages acknowledged of late, by Message-ID: a REPORT can still take them back. */
export interface Acknowledged {
  put(messageId: string, key: string): void;
  /** Removes it. */
  take(messageId: string): string | undefined;
  has(messageId: string): boolean;
}

/** a 200 can be taken back by a failure REPORT as long as a transaction could last. */
export function acknowledgedMessages(clock: SessionClock, keepMs: number): Acknowledged {
  /** In order of time. */
  const keys = new Map<string, { readonly key: string; readonly at: number }>();

  return {
    put(messageId, key) {
      const now = clock.now();
      for (const [oldId, old] of keys) {
        if (old.at + keepMs > now) break;
        keys.delete(oldId);
      }
      keys.delete(messageId);
      keys.set(messageId, { key, at: now });
    },
    take(messageId) {
      const found = keys.get(messageId);
      keys.delete(messageId);
      return found?.key;
    },
    has: (messageId) => keys.has(messageId),
  };
}
