/** Whether a message goes to the client at once, or to the mailbox (OMA SIMPLE IM §6.1.6, A-47). */
import { mailboxStream } from '../../../deferral/account.ts';
import type { Views } from '../../../engine/ports.ts';
import { key } from '../../../projections/change.ts';
import { deliveringView, timerView } from '../../../projections/in-flight.ts';
import { registrationView } from '../../../projections/registrations.ts';

/**
 * A delivery that is tried again so soon is waited for. A longer pause comes of several failures:
 * who cannot take a push may still take a MESSAGE.
 */
const RETRY_SOON_MS = 30_000;

/**
 * `reachable`: a client with the IM feature tag is registered. `busy`: and a delivery is open, so a
 * message that overtook it would come out of order. `failed`: it could not be reached a moment ago,
 * and is tried again soon, with what waits. One look-up tells who is away.
 */
export type Reach = 'away' | 'busy' | 'failed' | 'reachable';

export async function reachOf(views: Views, account: string, at: number): Promise<Reach> {
  const row = await views.get(registrationView, account);
  // Not by the bindings one by one: of several witnesses the better one counts.
  if (!row || row.expiresAt === null || row.expiresAt <= at) return 'away';
  if ((await views.get(deliveringView, account)) !== undefined) return 'busy';
  const retry = await views.get(timerView, key(mailboxStream(account), 'retry'));
  return retry !== undefined && retry.dueAt - at <= RETRY_SOON_MS ? 'failed' : 'reachable';
}
