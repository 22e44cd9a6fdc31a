/**
 * What the delivery chart asks of SIP: INVITE, CANCEL, ACK, BYE, session refresh (RFC 3261 §§9, 13,
 * 15, RFC 4028). Every request is derived from the log, so it is the same after a restart; what
 * comes back is submitted, and nothing is decided here.
 */
import { deliveryStream } from '../../deferral/account.ts';
import type { Channels } from '../../deferral/channel.ts';
import type { SipEffects } from '../../deferral/deferral.ts';
import type { Effect } from '../../engine/ports.ts';
import { parseStreamName } from '../../engine/stream-name.ts';
import type { DeliveryEffect, PushDialog } from '../../machines/delivery/effects.ts';
import type { InviteAnsweredData } from '../../machines/delivery/events.ts';
import { judgeAnswer } from '../../wire/sdp/judge-answer.ts';
import type { ClientTransaction } from '../../wire/sip/client-transaction.ts';
import { ackFor2xx, dialogFrom2xx, nextHopUri, requestInDialog } from '../../wire/sip/dialog.ts';
import {
  parseCSeq,
  parseMinSe,
  parseRetryAfter,
  parseSessionExpires,
} from '../../wire/sip/headers.ts';
import type { Hop } from '../../wire/sip/hop.ts';
import { ackForFailure, cancelFor } from '../../wire/sip/invite-requests.ts';
import { parseSip, type SipMessage } from '../../wire/sip/message.ts';
import { parseNameAddr } from '../../wire/sip/name-addr.ts';
import type { TransactionLayer } from '../../wire/sip/transaction.ts';
import { evidenceOf } from './observe.ts';
import type { ObserveOptions } from './observe-options.ts';
import { inviteBranch, pushDialog, renderInvite, viaOf } from './push-requests.ts';
import type { Route, Router } from './route.ts';

export interface PerformOptions
  extends Pick<ObserveOptions, 'submit' | 'runner' | 'clock' | 'signals' | 'identity'> {
  readonly channels: Channels;
  readonly router: Router;
  /** Set before the first effect is performed. */
  layer(): TransactionLayer;
  /** Outside of transactions: ACKs. */
  send(octets: Uint8Array, hop: Hop): void;
  onFault(where: string, fault: unknown): void;
}

export interface Perform {
  readonly effects: SipEffects;
  /** A response that no transaction wants: of an INVITE from before a restart, or repeated. */
  strayResponse(response: SipMessage, source: Hop): void;
}

type Params<Name extends DeliveryEffect['name']> = Extract<
  DeliveryEffect,
  { name: Name }
>['params'];

/** What the push needs of the recipient: the header part is always a fragment. */
const WRAPPED_NEEDED = ['message/sipfrag'] as const;
/** 64*T1. */
const REPEATED_2XX_MS = 32_000;

function statusOf(message: SipMessage): number {
  return message.start.kind === 'response' ? message.start.status : 0;
}

export function perform(options: PerformOptions): Perform {
  const { submit, runner, clock, signals, identity, channels, router } = options;
  /** INVITEs of this process, by delivery: for CANCEL and for repeated 2xx. */
  const invites = new Map<
    string,
    { readonly transaction: ClientTransaction; readonly octets: Uint8Array }
  >();
  /** ACKs sent, by dialog: a repeated 2xx gets the same octets again (RFC 3261 §13.2.2.4). */
  const acks = new Map<string, { readonly octets: Uint8Array; readonly hop: Hop } | 'awaited'>();

  function fact(
    delivery: string,
    type: string,
    data: unknown,
    cause: string,
    signal?: { readonly message: SipMessage; readonly hop: Hop },
  ): void {
    submit(deliveryStream(delivery), {
      type,
      at: clock.now(),
      data,
      cause,
      ...(signal
        ? {
            octets: signals.evidence(signal.message.octets, 'sip'),
            evidence: evidenceOf(signal.hop),
          }
        : {}),
    }).catch((fault: unknown) => options.onFault(type, fault));
  }

  function send(octets: Uint8Array, hop: Hop): void {
    signals.sent(octets, evidenceOf(hop));
    options.send(octets, hop);
  }

  function answered(delivery: string, response: SipMessage, hop: Hop): void {
    const toTag = parseNameAddr(response.first('to') ?? '')?.tag ?? '';
    const key = `${delivery} ${toTag}`;
    const known = acks.get(key);
    if (known) {
      signals.received(response.octets, evidenceOf(hop));
      if (known !== 'awaited') send(known.octets, known.hop);
      return;
    }
    acks.set(key, 'awaited');
    const { remoteTarget, routeSet } = dialogFrom2xx(response, response);
    const allow = response.all('allow').join(', ');
    const session = parseSessionExpires(response.first('session-expires') ?? '');
    const data: InviteAnsweredData = {
      status: statusOf(response),
      toTag,
      remoteTarget,
      routeSet,
      ...(allow === '' ? {} : { allow }),
      ...(session ? { sessionExpiresSeconds: session.intervalMs / 1000 } : {}),
      ...(session?.refresher ? { refresher: session.refresher } : {}),
      answer: judgeAnswer(response.body, {
        assumeMultipart: false,
        wrappedNeeded: WRAPPED_NEEDED,
      }),
    };
    fact(delivery, 'InviteAnswered', data, `answered ${toTag}`, { message: response, hop });
  }

  function finalResponse(delivery: string, response: SipMessage, hop: Hop): void {
    const status = statusOf(response);
    forgetLater(delivery);
    if (status < 300) {
      answered(delivery, response, hop);
      return;
    }
    const retryAfterMs = parseRetryAfter(response.first('retry-after') ?? '');
    const minSeMs = parseMinSe(response.first('min-se') ?? '');
    const data = {
      status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(minSeMs === undefined ? {} : { minSeSeconds: minSeMs / 1000 }),
    };
    const { number = 1 } = parseCSeq(response.first('cseq') ?? '') ?? {};
    fact(delivery, 'InviteRefused', data, `refused ${status} ${number}`, {
      message: response,
      hop,
    });
  }

  function progressed(delivery: string, response: SipMessage, hop: Hop): void {
    const allow = response.all('allow').join(', ');
    const contact = response.first('contact');
    const data = {
      status: statusOf(response),
      ...(contact === undefined ? {} : { contact }),
      ...(allow === '' ? {} : { allow }),
    };
    fact(delivery, 'InviteProgressed', data, `progressed ${statusOf(response)} ${allow}`, {
      message: response,
      hop,
    });
  }

  /** The INVITE of an earlier process, without its SDP: for what must repeat its headers. */
  function inviteAgain(
    delivery: string,
    account: string,
    route: Route,
    cseq: number,
  ): SipMessage | undefined {
    const octets = renderInvite(identity, { delivery, account, route, cseq, at: clock.now() });
    const parsed = parseSip(octets, 'exact');
    return parsed.kind === 'message' ? parsed.message : undefined;
  }

  /** A repeated 2xx can come for 64*T1 after the first (RFC 3261 §13.2.2.4). */
  function forgetLater(delivery: string): void {
    clock.timer(REPEATED_2XX_MS, () => {
      invites.delete(delivery);
      for (const key of acks.keys()) if (key.startsWith(`${delivery} `)) acks.delete(key);
    });
  }

  async function sendInvite(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, inviteCseq: cseq = 1, ...asked } = effect.params as Params<'sendInvite'>;
    const at = clock.now();
    const route = await router.toSubscriber(account, at);
    if (!route) return fact(delivery, 'InviteRefused', { status: 480 }, 'no way is known');
    const branch = inviteBranch(identity, delivery, cseq);
    const offer = channels.offer(delivery);
    const octets = renderInvite(identity, { delivery, account, route, cseq, at, offer, ...asked });
    const { hop } = route;
    signals.sent(octets, evidenceOf(hop));
    const transaction = options.layer().request({ octets, method: 'INVITE', branch }, hop, {
      onProvisional(response) {
        if (statusOf(response) > 100) progressed(delivery, response, hop);
        else signals.received(response.octets, evidenceOf(hop));
      },
      onFinal: (response) => finalResponse(delivery, response, hop),
      onTimeout: () => fact(delivery, 'InviteTimedOut', { by: 'transaction' }, 'timed out'),
      onCancelSent: (cancel) => signals.sent(cancel, evidenceOf(hop)),
      // RFC 3261 §8.1.3.1: a transport failure counts as a 503.
      onUnreachable: () => fact(delivery, 'InviteRefused', { status: 503 }, 'unreachable'),
    });
    invites.set(delivery, { transaction, octets });
  }

  async function cancelInvite(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, progressed: rang, inviteCseq = 1 } = effect.params as Params<'cancelInvite'>;
    const invite = invites.get(delivery);
    if (invite) {
      const cancel = cancelFor(invite.octets);
      // The transaction keeps it back until a provisional response was seen (RFC 3261 §9.1).
      if (cancel) invite.transaction.cancel(cancel);
      return;
    }
    if (!rang) return;
    const route = await router.toSubscriber(account, clock.now());
    const rebuilt = route && inviteAgain(delivery, account, route, inviteCseq);
    const cancel = rebuilt && cancelFor(rebuilt.octets);
    if (!route || !cancel) return;
    const branch = inviteBranch(identity, delivery, inviteCseq);
    signals.sent(cancel, evidenceOf(route.hop));
    options.layer().request({ octets: cancel, method: 'CANCEL', branch }, route.hop, {
      onProvisional: () => {},
      onFinal: (response) => signals.received(response.octets, evidenceOf(route.hop)),
      onTimeout: () => {},
      onUnreachable: () => {},
    });
  }

  async function sendAck(effect: Effect): Promise<void> {
    await acknowledge(effect, effect.params as Params<'sendAck'>);
  }

  /** The ACK to a 2xx has the CSeq number of its INVITE. */
  async function acknowledge(effect: Effect, params: Params<'sendAck'>): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, dialog: facts, inviteCseq = 1 } = params;
    const dialog = pushDialog(identity, delivery, account, facts);
    const hop = await router.toUri(nextHopUri(dialog), account, clock.now());
    if (!hop) return;
    const branch = identity.branchOf(`${effect.id} ack`);
    const octets = ackFor2xx(dialog, { cseq: inviteCseq, branch, via: viaOf(hop) });
    acks.set(`${delivery} ${facts.toTag}`, { octets, hop });
    send(octets, hop);
  }

  async function sendBye(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const params = effect.params as Params<'sendBye'>;
    const { account, dialog, cseq, surplus, ackFirst } = params;
    if (ackFirst) await acknowledge(effect, params);
    const told = (status: number, message?: SipMessage, hop?: Hop): void => {
      if (surplus) return;
      const signal = message && hop ? { message, hop } : undefined;
      fact(delivery, 'ByeAnswered', { status }, `bye answered ${cseq}`, signal);
    };
    await request(effect, account, dialog, { method: 'BYE', cseq, headers: [] }, told);
  }

  /** Sends a request within the dialog; `told` hears the final status, 408 for none. */
  async function request(
    effect: Effect,
    account: string,
    facts: PushDialog,
    what: {
      readonly method: string;
      readonly cseq: number;
      readonly headers: readonly (readonly [string, string])[];
    },
    told: (status: number, message?: SipMessage, hop?: Hop) => void,
  ): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const dialog = pushDialog(identity, delivery, account, facts);
    const hop = await router.toUri(nextHopUri(dialog), account, clock.now());
    if (!hop) return told(503);
    const branch = identity.branchOf(effect.id);
    const { method, cseq } = what;
    const headers = [...what.headers, ['User-Agent', identity.product] as const];
    const octets = requestInDialog(dialog, { method, cseq, branch, via: viaOf(hop), headers });
    signals.sent(octets, evidenceOf(hop));
    options.layer().request({ octets, method, branch }, hop, {
      onProvisional: (response) => signals.received(response.octets, evidenceOf(hop)),
      onFinal: (response) => told(statusOf(response), response, hop),
      onTimeout: () => told(408),
      onUnreachable: () => told(503),
    });
  }

  /** RFC 4028 §7.4: by UPDATE without SDP. A client that does not allow it is left to expire. */
  async function refreshSession(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const params = effect.params as Params<'refreshSession'>;
    const { account, dialog, cseq, allow, sessionExpiresSeconds } = params;
    if (!/\bUPDATE\b/.test(allow ?? '')) return;
    const hop = await router.toUri(dialog.remoteTarget, account, clock.now());
    const headers = [
      ...(hop ? [['Contact', identity.contact(hop)] as const] : []),
      ['Supported', 'timer'] as const,
      ['Session-Expires', `${sessionExpiresSeconds};refresher=uac`] as const,
    ];
    await request(
      effect,
      account,
      dialog,
      { method: 'UPDATE', cseq, headers },
      (status, message, from) => {
        const signal = message && from ? { message, hop: from } : undefined;
        const session = parseSessionExpires(message?.first('session-expires') ?? '');
        const refreshed = session ? { sessionExpiresSeconds: session.intervalMs / 1000 } : {};
        if (status < 300)
          fact(delivery, 'SessionRefreshed', refreshed, `refreshed ${cseq}`, signal);
        else fact(delivery, 'SessionExpired', { status }, `refresh failed ${cseq}`, signal);
      },
    );
  }

  async function stray(response: SipMessage, source: Hop): Promise<void> {
    const delivery = identity.deliveryOf(response.first('call-id') ?? '');
    const { method, number = 1 } = parseCSeq(response.first('cseq') ?? '') ?? {};
    const status = statusOf(response);
    if (delivery === undefined || method !== 'INVITE' || status < 200) {
      signals.received(response.octets, evidenceOf(source));
      return;
    }
    finalResponse(delivery, response, source);
    if (status < 300) return;
    // The INVITE's transaction ended with the process that sent it: its ACK is made anew.
    const { context } = await runner.state(deliveryStream(delivery));
    const { account } = context as { readonly account: string };
    const route = await router.toSubscriber(account, clock.now());
    const invite = route && inviteAgain(delivery, account, route, number);
    if (route && invite) send(ackForFailure(invite, response), route.hop);
  }

  return {
    effects: { sendInvite, cancelInvite, sendAck, sendBye, refreshSession },
    strayResponse(response, source) {
      stray(response, source).catch((fault: unknown) => options.onFault('stray response', fault));
    },
  };
}
