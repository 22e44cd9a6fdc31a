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
 * True when a client with the IM feature tag is registered and no delivery is open or about to be:
 * a message that overtook those would come out of order. One look-up tells who is away.
 */
export async function isInReach(views: Views, account: string, at: number): Promise<boolean> {
  const row = await views.get(registrationView, account);
  // Not by the bindings one by one: of several witnesses the better one counts.
  if (!row || row.expiresAt === null || row.expiresAt <= at) return false;
  if ((await views.get(deliveringView, account)) !== undefined) return false;
  const retry = await views.get(timerView, key(mailboxStream(account), 'retry'));
  return retry === undefined || retry.dueAt - at > RETRY_SOON_MS;
}
