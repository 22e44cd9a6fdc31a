/** Named bounds of the mailbox, each with its source. */

/** Settings absent: push (domain decision `settings.defaultOfflineDelivery`). */
export const OFFLINE_DELIVERY_DEFAULT = true;

/** `push.retryBackoff`: 30 s, doubled after each failed delivery, at most 1 h. */
export const RETRY_BACKOFF_FIRST_MS = 30_000;
export const RETRY_BACKOFF_MAX_MS = 3_600_000;

/** Deliveries cut short by a restart or takeover that are tried again at once; then back-off. */
export const INTERRUPTED_RETRIES_AT_ONCE_MAX = 1;

/**
 * Final statuses that say "not reachable" or "no": nothing is tried until the next registration
 * (A-35; 486 only when no BYE or CANCEL of ours is unconfirmed).
 */
export const UNTIL_REGISTRATION_STATUSES: ReadonlySet<number> = new Set([
  404, 408, 410, 430, 480, 486, 487, 600, 603,
]);

/** Final statuses that say "this client cannot take a push". */
export const PUSH_INCAPABLE_STATUSES: ReadonlySet<number> = new Set([415, 488, 606]);
