/**
 * SHA-256 in lower-case hexadecimal. A name comes from the log, or from who asks: what does not look
 * like this names no content, and no path either.
 */
export const CONTENT_NAME = /^[0-9a-f]{64}$/;
