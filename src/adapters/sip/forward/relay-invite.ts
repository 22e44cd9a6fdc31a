/**
 * INVITEs that only pass through: our own push, or another node's, which the core hands to
 * this server since a filter has it see what is for the subscriber. What follows in the dialog,
 * ACK, BYE and UPDATE, goes past us: there is no Record-Route of ours.
 */

import { accountName } from '../../../deferral/account.ts';
import type { Signals } from '../../../deferral/signals.ts';
import { forwardedCancel, forwardingRefusal, loopFields } from '../../../wire/sip/forwarding.ts';
import { parseTokens } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr, parseNameAddrs } from '../../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import type { Headers, Verdict } from '../answer.ts';
import { evidenceOf } from '../observe-options.ts';
import type { OwnIdentity } from '../own-identity.ts';
import { statusOf } from '../push/push-context.ts';
import type { Attempt, OutgoingCallbacks } from '../routing/send-request.ts';
import type { RelayInvite } from './forward-contract.ts';
import { loopToken, type PassOn } from './pass-on.ts';

/** RFC 3261 §16.6 step 11: more than three minutes, anew with each 101-199. */
const TIMER_C_MS = 200_000;

interface Relay {
  attempt: Attempt | undefined;
  cancelled: boolean;
}

export function relayInvites(context: {
  readonly signals: Signals;
  readonly identity: OwnIdentity;
  readonly passOn: PassOn;
  /** The transaction layer's: what passes through ends with it. */
  timer(delayMs: number, callback: () => void): () => void;
}): RelayInvite {
  const { signals, identity, passOn, timer } = context;
  const relays = new WeakMap<ServerTransaction, Relay>();

  function received(message: SipMessage, hop: Hop): void {
    signals.received(message.octets, evidenceOf(hop));
  }

  /** What hinders it; RFC 3261 §16.3 steps 3 to 5. */
  function refusal(request: SipMessage, loop: string): Verdict | undefined {
    const status = forwardingRefusal(request, loop);
    if (status !== undefined) return { status };
    const required = parseTokens(request.all('proxy-require'));
    if (required === undefined) return { status: 400 };
    if (required.length === 0) return undefined;
    return { status: 420, headers: [['Unsupported', required.join(', ')]] };
  }

  function relaying(
    transaction: ServerTransaction,
    relay: Relay,
    respond: (verdict: Verdict) => void,
  ): OutgoingCallbacks {
    let stopTimerC = (): void => {};

    function armTimerC(): void {
      stopTimerC();
      stopTimerC = timer(TIMER_C_MS, () => cancelNow(relay));
    }

    function back(response: SipMessage, hop: Hop): void {
      const status = statusOf(response);
      const octets = passOn.response(response, hop);
      if (octets === undefined) respond({ status });
      else if (transaction.respond(octets, status)) {
        signals.sent(octets, evidenceOf(transaction.source));
      }
    }

    return {
      onAttempt(attempt) {
        relay.attempt = attempt;
        armTimerC();
      },
      onProvisional(response, hop) {
        received(response, hop);
        // RFC 3261 §16.7 step 5: a 100 is between neighbours.
        if (statusOf(response) === 100) return;
        armTimerC();
        back(response, hop);
      },
      onFinal(response, hop) {
        stopTimerC();
        received(response, hop);
        if (statusOf(response) !== 503) return back(response, hop);
        // RFC 3261 §16.7 step 6: it would say that nothing at all can be sent here.
        respond({ status: 500, headers: retryAfter(response) });
      },
      onTimeout() {
        stopTimerC();
        respond({ status: 408 });
      },
      // RFC 3261 §16.9: as a 503, which is not passed back.
      onUnreachable() {
        stopTimerC();
        respond({ status: 500 });
      },
      onCancelSent: (octets, hop) => signals.sent(octets, evidenceOf(hop)),
    };
  }

  return {
    isPush({ request, requester }) {
      if (request.start.kind !== 'request' || request.start.method !== 'INVITE') return false;
      if (requester.kind !== 'core') return false;
      if (parseNameAddr(request.first('to') ?? '')?.tag !== undefined) return false;
      const delivery = identity.deliveryOf(request.first('call-id') ?? '');
      if (delivery !== undefined) {
        const tag = parseNameAddr(request.first('from') ?? '')?.tag;
        if (tag === identity.fromTagOf(delivery)) return true;
      }
      // Another node's: it says so by the identity of the message store.
      const asserted = request
        .all('p-asserted-identity')
        .flatMap((line) => parseNameAddrs(line) ?? []);
      const store = accountName(identity.imAddress);
      return asserted.some(({ uri }) => accountName(uri) === store);
    },

    async invite(transaction, arrived, { account, respond }) {
      const { request, source } = arrived;
      received(request, source);
      const loop = loopToken(identity, loopFields(request));
      const refused = refusal(request, loop);
      if (refused) return respond(refused);
      const relay: Relay = { attempt: undefined, cancelled: false };
      relays.set(transaction, relay);
      const passing = { account, loop, isOff: () => relay.cancelled };
      const isOn = await passOn.request(arrived, passing, relaying(transaction, relay, respond));
      if (!isOn && !relay.cancelled) respond({ status: 480 });
    },

    cancel(invite, cancel) {
      const relay = relays.get(invite);
      if (!relay) return false;
      // Nothing was sent yet: it is answered here, and stays unsent.
      if (!relay.attempt) {
        relay.cancelled = true;
        return false;
      }
      cancelNow(relay, cancel);
      return true;
    },
  };
}

function cancelNow({ attempt }: Relay, cancel?: SipMessage): void {
  const octets = attempt && forwardedCancel(attempt.octets, cancel);
  if (attempt && octets) attempt.transaction.cancel(octets);
}

function retryAfter(response: SipMessage): Headers {
  return response.all('retry-after').map((value) => ['Retry-After', value] as const);
}
