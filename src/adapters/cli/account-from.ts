import { accountOf } from '../../wire/sip/uri.ts';

/** An account as a person writes it: `sip:` may be left out. */
export function accountFrom(text: string): string | undefined {
  return accountOf(/^[a-z][a-z0-9+.-]*:/i.test(text) ? text : `sip:${text}`);
}
