import type { Views } from '../engine/ports.ts';
import { messageView } from '../projections/waiting-messages.ts';

/**
 * Mints deferred Message-IDs, `<decimal>@<host>`: strictly increasing for one host,
 * continued above the highest one that is recorded, never minted again.
 */
export function messageIds(options: {
  readonly host: string;
  readonly last: string | undefined;
  now(): number;
}): () => string {
  let last = BigInt(options.last ?? 0);
  return () => {
    // Epoch microseconds have 16 digits until the year 2286: ids sort as text too.
    const now = BigInt(options.now()) * 1000n;
    last = now > last ? now : last + 1n;
    return `${last}@${options.host}`;
  };
}

/** The highest decimal part among all recorded ids, of whatever host. */
export async function lastMessageId(views: Views): Promise<string | undefined> {
  const rows = await views.range(messageView, { reverse: true, limit: 1 });
  return rows[0]?.[0].split('@')[0];
}
