/** The INVITE of a push and its CANCEL (RFC 3261 §§9, 13), and what comes back for them. */
import { deliveryStream } from '../../../deferral/account.ts';
import type { Channels } from '../../../deferral/channel.ts';
import type { Effect } from '../../../engine/ports.ts';
import { parseStreamName } from '../../../engine/stream-name.ts';
import type { InviteAnsweredData } from '../../../machines/delivery/events.ts';
import { judgeAnswer } from '../../../wire/sdp/judge-answer.ts';
import { dialogFrom2xx } from '../../../wire/sip/dialog.ts';
import {
  parseCSeq,
  parseMinSe,
  parseRetryAfter,
  parseSessionExpires,
} from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { ackForFailure, cancelFor } from '../../../wire/sip/invite-requests.ts';
import { parseSip, type SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import { evidenceOf } from '../observe-options.ts';
import type { Route } from '../routing/route.ts';
import type { Attempt } from '../routing/send-request.ts';
import { type Params, type PushContext, statusOf } from './push-context.ts';
import { inviteBranch, renderInvite } from './push-requests.ts';

/** What the push needs of the recipient: the header part is always a fragment. */
const WRAPPED_NEEDED = ['message/sipfrag'] as const;
/** 64*T1: when everything about the INVITE is over (RFC 3261 §17.1.1.2). */
const FORGET_MS = 32_000;

export function performInvite(context: PushContext, channels: Channels) {
  const { acks, clock, fact, identity, router, runner, say, signals } = context;
  /** INVITEs of this process, by delivery, the last try of each: for CANCEL. */
  const invites = new Map<string, Attempt>();

  function answered(delivery: string, response: SipMessage, hop: Hop): void {
    const toTag = parseNameAddr(response.first('to') ?? '')?.tag ?? '';
    const key = `${delivery} ${toTag}`;
    const known = acks.get(key);
    if (known) {
      signals.received(response.octets, evidenceOf(hop));
      if (known !== 'awaited') say(known.octets, known.hop);
      return;
    }
    acks.set(key, 'awaited');
    const { remoteTarget, routeSet } = dialogFrom2xx(response, response);
    const allow = response.all('allow').join(', ');
    const session = parseSessionExpires(response.first('session-expires') ?? '');
    const judged = { assumeMultipart: false, wrappedNeeded: WRAPPED_NEEDED };
    const answer = judgeAnswer(response.body, judged);
    const data: InviteAnsweredData = {
      status: statusOf(response),
      toTag,
      remoteTarget,
      routeSet,
      ...(allow === '' ? {} : { allow }),
      ...(session ? { sessionExpiresSeconds: session.intervalMs / 1000 } : {}),
      ...(session?.refresher ? { refresher: session.refresher } : {}),
      // RFC 4975 §14.1: who knows the path can take the session.
      answer:
        answer.acceptable && channels.conceal
          ? { ...answer, path: channels.conceal(delivery, answer.path) }
          : answer,
    };
    const told = { message: response, hop };
    void fact(delivery, 'InviteAnswered', data, `answered ${toTag}`, told).then((outcome) => {
      // No ACK will follow: the client's next repetition is a new chance.
      if (outcome?.outcome !== 'accepted') acks.delete(key);
    });
  }

  function finalResponse(delivery: string, response: SipMessage, hop: Hop): void {
    const status = statusOf(response);
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
    void fact(delivery, 'InviteRefused', data, `refused ${status} ${number}`, {
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
    // The second INVITE after a 422 may progress in the same words: another event.
    const { number = 1 } = parseCSeq(response.first('cseq') ?? '') ?? {};
    const cause = `progressed ${number} ${statusOf(response)} ${allow}`;
    void fact(delivery, 'InviteProgressed', data, cause, { message: response, hop });
  }

  /** The INVITE of an earlier process, without its SDP: for what must repeat its headers. */
  function inviteAgain(
    delivery: string,
    account: string,
    route: Route,
    cseq: number,
  ): SipMessage | undefined {
    const { hops, routes } = route;
    const [hop] = hops;
    const push = { delivery, account, hop, routes, cseq, attempt: 0, at: clock.now() };
    const octets = renderInvite(identity, push);
    const parsed = parseSip(octets, 'exact');
    return parsed.kind === 'message' ? parsed.message : undefined;
  }

  /** A CANCEL that was decided meanwhile must still find that it comes too late (RFC 3261 §9.1). */
  function forgetLater(delivery: string): void {
    const invite = invites.get(delivery);
    clock.timer(FORGET_MS, () => {
      // After a 422 another INVITE stands there.
      if (invites.get(delivery) === invite) invites.delete(delivery);
    });
  }

  async function sendInvite(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, inviteCseq: cseq = 1, ...asked } = effect.params as Params<'sendInvite'>;
    const at = clock.now();
    const route = await router.toSubscriber(account, at);
    if (!route) return void fact(delivery, 'InviteRefused', { status: 480 }, 'no way is known');
    const offer = channels.offer(delivery);
    const { hops, routes } = route;
    const push = { delivery, account, routes, cseq, at, offer, ...asked };
    const outgoing = {
      method: 'INVITE',
      hops,
      render: (hop: Hop, attempt: number) => ({
        octets: renderInvite(identity, { ...push, hop, attempt }),
        branch: inviteBranch(identity, delivery, { cseq, attempt }),
      }),
    };
    context.sendRequest(outgoing, {
      onAttempt: (attempt) => invites.set(delivery, attempt),
      onProvisional(response, hop) {
        if (statusOf(response) > 100) progressed(delivery, response, hop);
        else signals.received(response.octets, evidenceOf(hop));
      },
      onFinal(response, hop) {
        forgetLater(delivery);
        finalResponse(delivery, response, hop);
      },
      onTimeout() {
        forgetLater(delivery);
        void fact(delivery, 'InviteTimedOut', { by: 'transaction' }, 'timed out');
      },
      onCancelSent: (cancel, hop) => signals.sent(cancel, evidenceOf(hop)),
      // RFC 3261 §8.1.3.1: a transport failure counts as a 503.
      onUnreachable() {
        forgetLater(delivery);
        void fact(delivery, 'InviteRefused', { status: 503 }, 'unreachable');
      },
    });
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
    const branch = inviteBranch(identity, delivery, { cseq: inviteCseq, attempt: 0 });
    const [hop] = route.hops;
    signals.sent(cancel, evidenceOf(hop));
    context.layer().request({ octets: cancel, method: 'CANCEL', branch }, hop, {
      onProvisional: () => {},
      onFinal: (response) => signals.received(response.octets, evidenceOf(hop)),
      onTimeout: () => {},
      onUnreachable: () => {},
    });
  }

  async function stray(response: SipMessage, source: Hop): Promise<void> {
    const delivery = identity.deliveryOf(response.first('call-id') ?? '');
    const { method, number = 1 } = parseCSeq(response.first('cseq') ?? '') ?? {};
    const status = statusOf(response);
    if (delivery === undefined || method !== 'INVITE' || status === 100) {
      signals.received(response.octets, evidenceOf(source));
      return;
    }
    // After a restart a CANCEL may wait for just this (RFC 3261 §9.1).
    if (status < 200) {
      progressed(delivery, response, source);
      return;
    }
    finalResponse(delivery, response, source);
    if (status < 300) return;
    // The INVITE's transaction ended with the process that sent it: its ACK is made anew.
    const state = await runner.state(deliveryStream(delivery));
    const { account } = state.context as { readonly account: string };
    const route = await router.toSubscriber(account, clock.now());
    const invite = route && inviteAgain(delivery, account, route, number);
    if (route && invite) say(ackForFailure(invite, response), route.hops[0]);
  }

  return { sendInvite, cancelInvite, stray };
}
