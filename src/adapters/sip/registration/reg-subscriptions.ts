/**
 * Our subscriptions to registrations (RFC 3680, RFC 6665 §4.1): one for each user whose IM tag is
 * merely assumed, kept while the user is registered. They are not in the log: what they told is, and
 * after a restart the users that are registered then are subscribed to anew.
 */
import { recordedIdentities, viaOf } from '../../../deferral/registration.ts';
import { hex } from '../../../engine/identity.ts';
import { type RegistrationRow, registrationView } from '../../../projections/registrations.ts';
import { type Dialog, nextHopUri } from '../../../wire/sip/dialog.ts';
import { parseExpires, parseRetryAfter } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { SubscriptionState } from '../../../wire/sip/notify.ts';
import { evidenceOf, type ObserveOptions } from '../observe-options.ts';
import { statusOf } from '../push/push-context.ts';
import type { Router } from '../routing/route.ts';
import type { SendRequest } from '../routing/send-request.ts';
import { dueTimes } from './due-times.ts';
import type { SpokenOf } from './observe-register.ts';
import { renderSubscribe } from './subscribe-requests.ts';

/** What became of a SUBSCRIBE or a subscription, for who counts it. */
export type RegEventOutcome = 'asked' | 'granted' | 'refused' | 'failed' | 'terminated' | 'tooMany';

/** One subscription: a dialog, or one that is to be. */
export interface RegSubscription {
  readonly account: string;
  readonly callId: string;
  readonly localTag: string;
  /** Of the last SUBSCRIBE. */
  cseq: number;
  /** Made by the first NOTIFY (RFC 6665 §4.4.1). */
  dialog: Dialog | undefined;
  /** Of the last document that was taken (RFC 3680 §5.2). */
  version: number | undefined;
  /** A document before the last one was missed: the full state is wanted. */
  needsFull: boolean;
  /** Accounts that the documents spoke of as registered. */
  identities: ReadonlySet<string>;
  /** A SUBSCRIBE has no answer yet. */
  asking: boolean;
  /** One was answered with a 2xx. */
  granted: boolean;
  askedAt: number;
  expiresSeconds: number;
  /** Failures in a row. */
  failures: number;
  /** What came for it is taken in its order. */
  work: Promise<void>;
}

/** RFC 3680 §4.4 leaves it open; IMS uses 600000 s (TS 24.229 §5.1.1.3). */
const EXPIRES_SECONDS = 600_000;
/** RFC 6665 §4.1.2.4, Timer N: 64*T1 without a NOTIFY end the try. */
const NOTIFY_WITHIN_MS = 32_000;
/** TS 24.229 §5.1.1.3: refreshed 600 s before it ends, or at half of what is shorter than 1200 s. */
const REFRESH_BEFORE_MS = 600_000;
const BACKOFF_FIRST_MS = 30_000;
const BACKOFF_MAX_MS = 3_600_000;
/** RFC 3680 §4.10: a notifier says no more than every 5 s, so there is no use in asking more often. */
const ASK_AGAIN_MS = 5_000;
/** At the start, so that the core is not flooded. */
const RENEWALS_PER_SECOND = 50;
const PAGE_ROWS = 1_000;
const CALL_ID_OCTETS = 16;
const BRANCH_OCTETS = 12;
/** About 1 KiB each. */
const SUBSCRIPTIONS_MAX = 100_000;
/** "Try again" in the words of RFC 3261 §21; any other refusal is for good. */
const TEMPORARY: ReadonlySet<number> = new Set([408, 480, 486, 491]);
/** RFC 6665 §4.1.3: asking again would bring the same. */
const FOR_GOOD: ReadonlySet<string> = new Set(['rejected', 'noresource', 'invariant']);
const AT_ONCE: ReadonlySet<string> = new Set(['deactivated', 'timeout']);

export interface RegSubscriptions {
  /**
   * Subscribes to a user who was registered while nothing tells of the IM tag; who is not registered
   * any more is given up, with the whole set, since a subscription may last for days.
   */
  follow(spokenOf: SpokenOf): Promise<void>;
  /** The subscription of a NOTIFY, by Call-ID and our tag. */
  find(callId: string, localTag: string | undefined): RegSubscription | undefined;
  /** A NOTIFY was taken; `needsFull`: a document before it was missed (RFC 3680 §5.2). */
  notified(
    subscription: RegSubscription,
    state: SubscriptionState,
    options: { readonly needsFull: boolean },
  ): void;
  /** Subscribes to all users that are registered now, at a bounded rate. */
  renew(): Promise<void>;
  close(): void;
}

export interface RegSubscriptionsOptions
  extends Pick<
    ObserveOptions,
    'clock' | 'views' | 'signals' | 'identity' | 'identifiers' | 'domain'
  > {
  /** There once the server is open. */
  routing(): {
    readonly router: Pick<Router, 'toSubscriber' | 'toUri'>;
    readonly sendRequest: SendRequest;
  };
  onRegEvent?(outcome: RegEventOutcome): void;
  onFault(where: string, fault: unknown): void;
}

export function regSubscriptions(options: RegSubscriptionsOptions): RegSubscriptions {
  const { clock, views, signals, identity, identifiers, onFault } = options;
  const byAccount = new Map<string, RegSubscription>();
  const byCallId = new Map<string, RegSubscription>();
  const due = dueTimes<RegSubscription>(clock, fallDue);
  const tell = (outcome: RegEventOutcome): void => options.onRegEvent?.(outcome);
  const random = (octets: number): string => hex(identifiers.random(octets));

  function fallDue(subscription: RegSubscription): void {
    // Its answer says what comes next.
    if (subscription.asking) return;
    // The dialog comes with the NOTIFY; without one there is none (RFC 6665 §4.1.2.4).
    if (subscription.granted && !subscription.dialog) {
      tell('failed');
      again(subscription);
    } else void inBackground(subscription, ask);
  }

  async function inBackground(
    subscription: RegSubscription,
    work: (subscription: RegSubscription) => Promise<void>,
  ): Promise<void> {
    await work(subscription).catch((fault: unknown) => {
      onFault(`registration of ${subscription.account}`, fault);
      subscription.asking = false;
      again(subscription);
    });
  }

  function open(account: string, failures = 0): RegSubscription {
    const subscription: RegSubscription = {
      account,
      callId: `reg-${random(CALL_ID_OCTETS)}@${options.domain}`,
      localTag: identity.tag(),
      cseq: 0,
      dialog: undefined,
      version: undefined,
      needsFull: false,
      identities: new Set([account]),
      asking: false,
      granted: false,
      askedAt: 0,
      expiresSeconds: EXPIRES_SECONDS,
      failures,
      work: Promise.resolve(),
    };
    byAccount.set(account, subscription);
    byCallId.set(subscription.callId, subscription);
    return subscription;
  }

  function isCurrent(subscription: RegSubscription): boolean {
    return byCallId.get(subscription.callId) === subscription;
  }

  function forget(subscription: RegSubscription): void {
    due.clear(subscription);
    byCallId.delete(subscription.callId);
    const { account } = subscription;
    if (byAccount.get(account) === subscription) byAccount.delete(account);
  }

  /** The dialog is over, or never was: another one, at `at`. */
  function reopen(subscription: RegSubscription, at: number): void {
    forget(subscription);
    due.set(open(subscription.account, subscription.failures), at);
  }

  /** After a pause that grows with each failure, or a longer one that was asked for. */
  function again(subscription: RegSubscription, retryAfterMs = 0): void {
    const backoffMs = Math.min(BACKOFF_FIRST_MS * 2 ** subscription.failures, BACKOFF_MAX_MS);
    subscription.failures += 1;
    const at = clock.now() + Math.max(retryAfterMs, backoffMs);
    if (subscription.dialog) due.set(subscription, at);
    else reopen(subscription, at);
  }

  /** A first SUBSCRIBE, or one that refreshes; nobody asks for a user who is not registered. */
  async function ask(subscription: RegSubscription): Promise<void> {
    const { account, dialog, callId, localTag } = subscription;
    if (!isCurrent(subscription)) return;
    subscription.asking = true;
    const at = clock.now();
    if (!isRegistered(await views.get(registrationView, account), at)) return forget(subscription);
    const { router, sendRequest } = options.routing();
    const route = dialog ? undefined : await router.toSubscriber(account, at);
    const hops = dialog ? await router.toUri(nextHopUri(dialog), account, at) : (route?.hops ?? []);
    subscription.cseq += 1;
    subscription.askedAt = at;
    subscription.needsFull = false;
    const { cseq, expiresSeconds } = subscription;
    const asked = { account, callId, localTag, cseq, expiresSeconds, dialog };
    const routes = route?.routes ?? [];
    tell('asked');
    const outgoing = {
      method: 'SUBSCRIBE',
      hops,
      render(hop: Hop) {
        const branch = `z9hG4bK${random(BRANCH_OCTETS)}`;
        return { branch, octets: renderSubscribe(identity, { ...asked, routes, hop, branch }) };
      },
    };
    // RFC 3261 §8.1.3.1: a timeout counts as a 408, a transport failure as a 503.
    const failed = (): void => {
      tell('failed');
      subscription.asking = false;
      if (isCurrent(subscription)) again(subscription);
    };
    sendRequest(outgoing, {
      onProvisional: (response, hop) => signals.received(response.octets, evidenceOf(hop)),
      onFinal(response, hop) {
        signals.received(response.octets, evidenceOf(hop));
        subscription.asking = false;
        if (isCurrent(subscription)) answered(subscription, response);
      },
      onTimeout: failed,
      onUnreachable: failed,
    });
  }

  function answered(subscription: RegSubscription, response: SipMessage): void {
    const status = statusOf(response);
    if (status < 300) {
      tell('granted');
      const granted = parseExpires(response.first('expires') ?? '');
      const expiresMs = granted ?? subscription.expiresSeconds * 1000;
      subscription.granted = true;
      if (subscription.dialog) lasts(subscription, expiresMs);
      else due.set(subscription, clock.now() + NOTIFY_WITHIN_MS);
      return;
    }
    // RFC 6665 §4.1.2.2: the notifier knows nothing of it any more.
    if (status === 481 && subscription.dialog) {
      reopen(subscription, clock.now());
      return;
    }
    const minMs = parseExpires(response.first('min-expires') ?? '');
    if (status === 423 && minMs !== undefined && minMs > subscription.expiresSeconds * 1000) {
      subscription.expiresSeconds = minMs / 1000;
      void inBackground(subscription, ask);
      return;
    }
    if (status === 423 || status === 481 || TEMPORARY.has(status) || isServerFailure(status)) {
      tell('failed');
      again(subscription, parseRetryAfter(response.first('retry-after') ?? ''));
      return;
    }
    // Not again until the user registers again.
    tell('refused');
    forget(subscription);
  }

  function lasts(subscription: RegSubscription, expiresMs: number): void {
    subscription.failures = 0;
    if (subscription.needsFull) {
      due.set(subscription, subscription.askedAt + ASK_AGAIN_MS);
      return;
    }
    const isLong = expiresMs > 2 * REFRESH_BEFORE_MS;
    const refreshInMs = isLong ? expiresMs - REFRESH_BEFORE_MS : expiresMs / 2;
    due.set(subscription, clock.now() + Math.max(refreshInMs, ASK_AGAIN_MS));
  }

  return {
    async follow({ account, set }) {
      const at = clock.now();
      const row = await views.get(registrationView, account);
      if (!isRegistered(row, at)) {
        const over = set.map((one) => byAccount.get(one)).filter((one) => one !== undefined);
        return over.forEach(forget);
      }
      if (!isAssumed(row, at)) return;
      // One subscription tells of the whole implicit registration set (TS 24.229 §5.4.2.1.2).
      const known = [account, ...recordedIdentities(row, at)].map((one) => byAccount.get(one));
      const [subscription] = known.filter((one) => one !== undefined);
      if (subscription === undefined && byAccount.size >= SUBSCRIPTIONS_MAX) return tell('tooMany');
      if (subscription === undefined) await inBackground(open(account), ask);
      // One that waits after a failure has a new reason to ask.
      else if (!subscription.asking && subscription.failures > 0 && !subscription.dialog) {
        await inBackground(subscription, ask);
      }
    },
    find(callId, localTag) {
      const subscription = byCallId.get(callId);
      return subscription?.localTag === localTag ? subscription : undefined;
    },
    notified(subscription, { state, expiresMs, reason = '', retryAfterMs }, { needsFull }) {
      if (!isCurrent(subscription)) return;
      const soonest = subscription.askedAt + ASK_AGAIN_MS;
      if (state !== 'terminated') {
        if (needsFull) subscription.needsFull = true;
        if (needsFull || expiresMs !== undefined) lasts(subscription, expiresMs ?? 0);
        return;
      }
      tell('terminated');
      if (FOR_GOOD.has(reason)) return forget(subscription);
      // A dialog that is over is not refreshed.
      subscription.dialog = undefined;
      if (AT_ONCE.has(reason)) return reopen(subscription, soonest);
      again(subscription, retryAfterMs);
    },
    async renew() {
      let at = clock.now();
      let from = '';
      for (;;) {
        const rows = await views.range(registrationView, { from, limit: PAGE_ROWS });
        for (const [account, row] of rows) {
          const [first = account] = recordedIdentities(row, at);
          if (first !== account || !isAssumed(row, at) || byAccount.has(account)) continue;
          if (byAccount.size >= SUBSCRIPTIONS_MAX) return tell('tooMany');
          due.set(open(account), at);
          at += 1000 / RENEWALS_PER_SECOND;
        }
        if (rows.length < PAGE_ROWS) return;
        from = `${rows.at(-1)?.[0]}\u0001`;
      }
    },
    close: () => due.close(),
  };
}

function isServerFailure(status: number): boolean {
  return status >= 500 && status < 600;
}

/** Registered with the core, whose word for the IM tag is none. */
function isAssumed(row: RegistrationRow | undefined, at: number): boolean {
  return row?.bindings.some(({ im, expiresAt }) => im === 'assumed' && expiresAt > at) ?? false;
}

/** By the core, or as a notifier says. */
function isRegistered(row: RegistrationRow | undefined, at: number): boolean {
  return row?.bindings.some((one) => one.expiresAt > at && viaOf(one, row) !== 'direct') ?? false;
}
