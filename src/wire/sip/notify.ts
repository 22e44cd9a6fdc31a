/** What a subscriber reads in a NOTIFY (RFC 6665 §4.1). */
import { parseContacts } from './contact.ts';
import type { Dialog } from './dialog.ts';
import { parseCSeq, parseExpires, splitList } from './headers.ts';
import { isRequestUri, type SipMessage } from './message.ts';
import { parseNameAddr, parseNameAddrs } from './name-addr.ts';
import { readParams } from './params.ts';
import { tokenEnd } from './token.ts';

export interface SubscriptionState {
  /** `active`, `pending`, `terminated`, or an extension; lower case. */
  readonly state: string;
  /** How long the subscription lasts from now on. */
  readonly expiresMs?: number;
  /** Why it is over, lower case. */
  readonly reason?: string;
  readonly retryAfterMs?: number;
}

/** Subscription-State (RFC 6665 §8.2.3); `undefined`: malformed. */
export function parseSubscriptionState(value: string): SubscriptionState | undefined {
  const end = tokenEnd(value, 0);
  const read = readParams(value, end);
  if (end === 0 || read === undefined || read.end < value.length) return undefined;
  const reason = read.params.get('reason')?.toLowerCase();
  const expiresMs = parseExpires(read.params.get('expires') ?? '');
  const retryAfterMs = parseExpires(read.params.get('retry-after') ?? '');
  return {
    state: value.slice(0, end).toLowerCase(),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The event package of Event without its parameters, lower case (RFC 6665 §8.2.1). */
export function eventPackage(value: string): string {
  return value.slice(0, tokenEnd(value, 0)).toLowerCase();
}

/**
 * The subscriber's dialog, which the first NOTIFY makes: its Record-Route is the route set, not that
 * of the 200 to SUBSCRIBE (RFC 6665 §4.4.1). `localCseq`: of the last SUBSCRIBE. Without a usable
 * Contact, which a NOTIFY must have, the target stays `target`.
 */
export function dialogFromNotify(
  notify: SipMessage,
  { localCseq, target }: { readonly localCseq: number; readonly target: string },
): Dialog {
  const local = notify.first('to') ?? '';
  const remote = notify.first('from') ?? '';
  return {
    role: 'uac',
    callId: notify.first('call-id') ?? '',
    local,
    remote,
    localTag: parseNameAddr(local)?.tag ?? '',
    remoteTag: parseNameAddr(remote)?.tag ?? '',
    remoteTarget: targetOf(notify) ?? target,
    // In its order: towards the notifier we are the server of this request (RFC 3261 §12.1.1).
    routeSet: notify.all('record-route').flatMap(routesOf),
    localCseq,
    remoteCseq: parseCSeq(notify.first('cseq') ?? '')?.number ?? null,
  };
}

/** Where the notifier is reached from now on (RFC 3261 §12.2.2); `undefined`: it does not say. */
export function targetOf(notify: SipMessage): string | undefined {
  const contacts = parseContacts(notify.first('contact') ?? '');
  const uri = contacts === undefined || contacts === '*' ? undefined : contacts[0]?.uri;
  return uri !== undefined && isRequestUri(uri) ? uri : undefined;
}

function routesOf(line: string): readonly string[] {
  const routes = parseNameAddrs(line);
  return routes?.every(({ uri }) => isRequestUri(uri)) ? splitList(line) : [];
}
