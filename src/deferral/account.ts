import { streamName } from '../engine/stream-name.ts';
import { accountOf, parseUri } from '../wire/sip/uri.ts';

/** Longer identities are refused: an account must be usable as a stream name and a Request-URI. */
export const ACCOUNT_BYTES_MAX = 200;

/** The account of a public identity as a URI; `undefined`: not an identity, or too long. */
export function accountName(uri: string): string | undefined {
  const account = accountOf(uri);
  return account !== undefined && account.length <= ACCOUNT_BYTES_MAX ? account : undefined;
}

/**
 * The account of a subscriber of ours: a telephone number, or a user of the domain (lower case); the
 * domain itself is none. A wildcarded identity names a range of users, not one (TS 23.003 §13.5).
 */
export function servedAccount(uri: string, domain: string): string | undefined {
  const { scheme, host, user } = parseUri(uri) ?? {};
  if (scheme === 'tel') return accountName(uri);
  if ((scheme !== 'sip' && scheme !== 'sips') || host !== domain) return undefined;
  return user === undefined || /!.*!/.test(user) ? undefined : accountName(uri);
}

export function mailboxStream(account: string): string {
  return streamName('mailbox', account);
}

export function deliveryStream(delivery: string): string {
  return streamName('delivery', delivery);
}
