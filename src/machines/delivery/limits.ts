/** Named bounds of a delivery, each with its source. */

/** Ring guard of the push INVITE (A-35, `push.inviteTimeout`). */
export const INVITE_TIMEOUT_MS = 120_000;

/** A BYE or CANCEL unanswered so long no longer holds the mailbox (`push.graceMs`). */
export const GRACE_MS = 2_000;

/** Guard of a session without RFC 4028 timer, and of every push (A-29, `push.maxDuration`). */
export const PUSH_DURATION_MAX_MS = 900_000;

/** A session that is not refreshed ends so long before it expires, at most (RFC 4028 §10). */
export const EXPIRY_MARGIN_MAX_MS = 32_000;

/** Forks that ring at once and are told apart: ours, more than one person carries devices. */
export const EARLY_DIALOGS_MAX = 8;

/** A refused refresh is tried again so often before the session is left to its end: ours. */
export const REFRESH_RETRIES_MAX = 4;

/** Shortest pause before such a try: the least that RFC 3261 §14.1 gives the owner of the Call-ID. */
export const REFRESH_PAUSE_MIN_MS = 2_100;

/** A Retry-After below this says nothing: taken at its word, 0 would call the client in a loop. */
export const RETRY_AFTER_MIN_MS = 1_000;
