/** What this process offered in its pushes: a refresh repeats it octet for octet (RFC 3264 §8). */

/** Longer than any delivery lasts: ring guard and push together are 17 minutes. */
const KEPT_MS = 1_200_000;

export interface PushDescriptions {
  /** `undefined`: the delivery has ended, or is not of this process. */
  of(delivery: string): Uint8Array | undefined;
  keep(delivery: string, sdp: Uint8Array): void;
  forget(delivery: string): void;
}

/** `now`: milliseconds. What nobody forgot goes with its age, when something is kept. */
export function pushDescriptions(now: () => number): PushDescriptions {
  const kept = new Map<string, { readonly sdp: Uint8Array; readonly since: number }>();

  return {
    of: (delivery) => kept.get(delivery)?.sdp,
    keep(delivery, sdp) {
      for (const [oldest, { since }] of kept) {
        if (now() - since < KEPT_MS) break;
        kept.delete(oldest);
      }
      kept.set(delivery, { sdp, since: now() });
    },
    forget: (delivery) => void kept.delete(delivery),
  };
}
