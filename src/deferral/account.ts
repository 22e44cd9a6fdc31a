import { streamName } from '../engine/stream-name.ts';
import { accountOf } from '../wire/sip/uri.ts';

/** Longer identities are refused: an account must be usable as a stream name and a Request-URI. */
export const ACCOUNT_BYTES_MAX = 200;

/** The account of a public identity as a URI; `undefined`: not an identity, or too long. */
export function accountName(uri: string): string | undefined {
  const account = accountOf(uri);
  return account !== undefined && account.length <= ACCOUNT_BYTES_MAX ? account : undefined;
}

export function mailboxStream(account: string): string {
  return streamName('mailbox', account);
}

export function deliveryStream(delivery: string): string {
  return streamName('delivery', delivery);
}
