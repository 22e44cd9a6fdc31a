import { streamName } from '../engine/stream-name.ts';
import { accountOf, parseUri } from '../wire/sip/uri.ts';

/** Longer identities are refused: an account must be usable as a stream name and a Request-URI. */
export const ACCOUNT_BYTES_MAX = 200;

/** The account of a public identity as a URI; `undefined`: not an identity, or too long. */
export function accountName(uri: string): string | undefined {
  const account = accountOf(uri);
  return account !== undefined && account.length <= ACCOUNT_BYTES_MAX ? account : undefined;
}

/** The account of a subscriber of ours: a telephone number, or a user of the domain (lower case). */
export function servedAccount(uri: string, domain: string): string | undefined {
  const { scheme, host, user } = parseUri(uri) ?? {};
  const isUser = (scheme === 'sip' || scheme === 'sips') && host === domain && user !== undefined;
  return isUser || scheme === 'tel' ? accountName(uri) : undefined;
}

/**
 * The same of one identity of an implicit registration set, where `!…!` stands for a range of users
 * (TS 23.003 §13.5): nobody's mailbox.
 */
export function memberAccount(uri: string, domain: string): string | undefined {
  return /!.*!/.test(uri) ? undefined : servedAccount(uri, domain);
}

export function mailboxStream(account: string): string {
  return streamName('mailbox', account);
}

export function depositStream(deposit: string): string {
  return streamName('deposit', deposit);
}

export function deliveryStream(delivery: string): string {
  return streamName('delivery', delivery);
}
