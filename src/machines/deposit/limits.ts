/** Named bounds of a deposit, each with its source. */

/** A BYE unanswered so long no longer holds the session open (`push.graceMs`). */
export const GRACE_MS = 2_000;

/**
 * How long the sender may take to say BYE after its MSRP connection has gone: ours, a round trip
 * through any core. Then we say it.
 */
export const LOST_CHANNEL_MS = 2_000;

/** A session that is not refreshed ends so long before it expires, at most (RFC 4028 §10). */
export const EXPIRY_MARGIN_MAX_MS = 32_000;
