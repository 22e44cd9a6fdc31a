/** The INVITE of a push and its CANCEL (RFC 3261 §§9, 13). */
import { deliveryStream } from '../../../deferral/account.ts';
import type { Effect } from '../../../engine/ports.ts';
import { parseStreamName } from '../../../engine/stream-name.ts';
import type { Credentials } from '../../../machines/delivery/effects.ts';
import { parseCSeq } from '../../../wire/sip/headers.ts';
import { type Hop, topVia } from '../../../wire/sip/hop.ts';
import { ackForFailure, cancelFor } from '../../../wire/sip/invite-requests.ts';
import { parseSip, type SipMessage } from '../../../wire/sip/message.ts';
import { evidenceOf } from '../observe-options.ts';
import type { Route } from '../routing/route.ts';
import type { Attempt, OutgoingCallbacks } from '../routing/send-request.ts';
import { cseqOf, hearInvite } from './hear-invite.ts';
import { inviteName } from './perform-dialog.ts';
import { type Params, type PushContext, statusOf } from './push-context.ts';
import { describe, inviteBranch, renderInvite } from './push-requests.ts';

/** 64*T1: when everything about the INVITE is over (RFC 3261 §17.1.1.2). */
const FORGET_MS = 32_000;
/** Hops of a request, and each of them by UDP after TCP (docs/decisions/0018). */
const TRIES_MAX = 18;

/** What of a delivery's state matters to a response that no transaction wants. */
interface Invited {
  readonly account: string;
  readonly inviteCseq: number;
  readonly inviteCredentials: Credentials | null;
}

export function performInvite(context: PushContext) {
  const { channels, clock, credentials, descriptions, fact, identity, router, runner } = context;
  const { say, signals } = context;
  const hear = hearInvite(context);
  /** INVITEs of this process, by delivery, the last try of each: for CANCEL. */
  const invites = new Map<string, Attempt>();

  function proven(delivery: string, params: Params<'sendInvite'>, body: Uint8Array | undefined) {
    const { account: uri, inviteCseq = 1 } = params;
    const name = inviteName(delivery, inviteCseq);
    return credentials.headers(params.credentials, { method: 'INVITE', uri, body, name });
  }

  /** The INVITE of an earlier process, without its SDP: for what must repeat its headers. */
  function inviteAgain(
    delivery: string,
    params: Params<'sendInvite'>,
    { routes, hop, attempt }: Pick<Route, 'routes'> & { hop: Hop; attempt: number },
  ): SipMessage | undefined {
    const { account, inviteCseq: cseq = 1 } = params;
    const push = { delivery, account, hop, routes, cseq, attempt, at: clock.now() };
    const octets = renderInvite(identity, {
      ...push,
      credentials: proven(delivery, params, undefined),
    });
    const parsed = parseSip(octets, 'exact');
    return parsed.kind === 'message' ? parsed.message : undefined;
  }

  /** A CANCEL that was decided meanwhile must still find that it comes too late (RFC 3261 §9.1). */
  function forgetLater(delivery: string): void {
    const invite = invites.get(delivery);
    clock.timer(FORGET_MS, () => {
      // After a challenge or a 422 another INVITE stands there.
      if (invites.get(delivery) === invite) {
        invites.delete(delivery);
        hear.forget(delivery);
      }
      context
        .forgetIfEnded(delivery)
        .catch((fault: unknown) => context.onFault(deliveryStream(delivery), fault));
    });
  }

  /** What another INVITE of the delivery offers is what the first one did. */
  function offered(delivery: string): Uint8Array {
    const known = descriptions.of(delivery);
    if (known) return known;
    const description = describe(channels.offer(delivery), clock.now());
    descriptions.keep(delivery, description);
    return description;
  }

  function heard(delivery: string): OutgoingCallbacks {
    return {
      onAttempt: (attempt) => invites.set(delivery, attempt),
      onProvisional(response, hop) {
        if (statusOf(response) > 100) {
          hear.keepAnswer(delivery, response);
          hear.progressed(delivery, response, hop);
        } else signals.received(response.octets, evidenceOf(hop));
      },
      onFinal(response, hop) {
        forgetLater(delivery);
        hear.final(delivery, response, hop);
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
    };
  }

  async function sendInvite(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const params = effect.params as Params<'sendInvite'>;
    const { account, inviteCseq: cseq = 1, minSeSeconds } = params;
    const at = clock.now();
    const route = await router.routeTo(account, at);
    if (typeof route === 'string') {
      // RFC 3261 §8.1.3.1: a server that was not found counts as one that cannot be reached.
      const status = route === 'later' ? 503 : 480;
      return void fact(delivery, 'InviteRefused', { status }, `no way is known: ${route}`);
    }
    const { hops, routes } = route;
    const description = offered(delivery);
    const push = {
      ...{ delivery, account, routes, cseq, at, description },
      credentials: proven(delivery, params, description),
      ...(minSeSeconds === undefined ? {} : { minSeSeconds }),
    };
    const outgoing = {
      method: 'INVITE',
      hops,
      render: (hop: Hop, attempt: number) => ({
        octets: renderInvite(identity, { ...push, hop, attempt }),
        branch: inviteBranch(identity, delivery, { cseq, attempt }),
      }),
    };
    context.sendRequest(outgoing, heard(delivery));
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
    if (!route) return;
    const { routes, hops } = route;
    const [hop] = hops;
    const rebuilt = inviteAgain(delivery, { account, inviteCseq }, { routes, hop, attempt: 0 });
    const cancel = rebuilt && cancelFor(rebuilt.octets);
    if (!cancel) return;
    const branch = inviteBranch(identity, delivery, { cseq: inviteCseq, attempt: 0 });
    signals.sent(cancel, evidenceOf(hop));
    context.layer().request({ octets: cancel, method: 'CANCEL', branch }, hop, {
      onProvisional: () => {},
      onFinal: (response) => signals.received(response.octets, evidenceOf(hop)),
      onTimeout: () => {},
      onUnreachable: () => {},
    });
  }

  /** A response to an INVITE that no transaction wants: repeated, or to one of before a restart. */
  async function stray(response: SipMessage, source: Hop): Promise<void> {
    const delivery = identity.deliveryOf(response.first('call-id') ?? '');
    const { method } = parseCSeq(response.first('cseq') ?? '') ?? {};
    const status = statusOf(response);
    const record = (): void => signals.received(response.octets, evidenceOf(source));
    if (delivery === undefined || method !== 'INVITE' || status === 100) return record();
    const state = await runner.state(deliveryStream(delivery));
    const { account, inviteCseq, inviteCredentials } = state.context as Invited;
    const number = cseqOf(response);
    // A re-INVITE of before a restart: its 2xx wants an ACK, and the BYE makes an end of the rest.
    if (number > inviteCseq && (status < 200 || status >= 300)) return record();
    // A try of this process that was given up: what becomes of the push is up to the others.
    const isGivenUp = invites.has(delivery);
    // After a restart a CANCEL may wait for just this (RFC 3261 §9.1).
    if (status < 200) return isGivenUp ? record() : hear.progressed(delivery, response, source);
    if (isGivenUp && status >= 300) record();
    else hear.final(delivery, response, source);
    if (status < 300) return;
    // The INVITE's transaction ended, or the process that sent it: its ACK is made anew.
    const route = await router.toSubscriber(account, clock.now());
    const params = {
      ...{ account, inviteCseq: number },
      ...(inviteCredentials && number === inviteCseq ? { credentials: inviteCredentials } : {}),
    };
    if (!route) return;
    const { routes, hops } = route;
    const there = hops.filter(({ host }) => host === source.host);
    const hop = there.find(({ port }) => port === source.port) ?? there[0] ?? hops[0];
    const attempt = attemptOf(delivery, number, response);
    const invite = inviteAgain(delivery, params, { routes, hop, attempt });
    if (invite) say(ackForFailure(invite, response), hop);
  }

  /** Which try of the INVITE a response is for, by its branch. */
  function attemptOf(delivery: string, cseq: number, response: SipMessage): number {
    const branch = topVia(response)?.branch;
    for (let attempt = 1; attempt < TRIES_MAX; attempt += 1) {
      if (branch === inviteBranch(identity, delivery, { cseq, attempt })) return attempt;
    }
    return 0;
  }

  return { sendInvite, cancelInvite, stray };
}
