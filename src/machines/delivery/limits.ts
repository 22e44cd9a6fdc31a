/** Named bounds of a delivery, each with its source. */

/** Ring guard of the push INVITE (A-35, `push.inviteTimeout`). */
export const INVITE_TIMEOUT_MS = 120_000;

/** A BYE or CANCEL unanswered so long no longer holds the mailbox (`push.graceMs`). */
export const GRACE_MS = 2_000;

/** Guard of a session without RFC 4028 timer, and of every push (A-29, `push.maxDuration`). */
export const PUSH_DURATION_MAX_MS = 900_000;

/** A session that is not refreshed ends so long before it expires, at most (RFC 4028 §10). */
export const EXPIRY_MARGIN_MAX_MS = 32_000;
