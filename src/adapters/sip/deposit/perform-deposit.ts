/** What the deposit chart asks of SIP: our 2xx to the INVITE, and our BYE (IM-11.3.2.2-4…-9). */
import type { DepositSipEffects } from '../../../deferral/transports.ts';
import type { Effect } from '../../../engine/ports.ts';
import { parseStreamName } from '../../../engine/stream-name.ts';
import type { DepositEffect } from '../../../machines/deposit/effects.ts';
import { renderAnswer, renderReceivingOffer } from '../../../wire/sdp/render-msrp.ts';
import { nextHopUri, requestInDialog } from '../../../wire/sip/dialog.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { Verdict } from '../answer.ts';
import { evidenceOf } from '../observe-options.ts';
import { statusOf } from '../push/push-context.ts';
import { DIALOG_METHODS, originIdAt, plainHeaders, viaOf } from '../push/push-requests.ts';
import type { Router } from '../routing/route.ts';
import type { SendRequest } from '../routing/send-request.ts';
import type { DepositContext, OpenSession } from './deposit-context.ts';
import { answerToOffer } from './observe-sender.ts';

type Params<Name extends DepositEffect['name']> = Extract<DepositEffect, { name: Name }>['params'];

/** A sealed body may still be on its way into the log when the session has ended. */
const FORGET_AFTER_MS = 60_000;

export interface PerformDeposit {
  readonly effects: DepositSipEffects;
  answerOf(deposit: string): Uint8Array | undefined;
  /** The session has ended. */
  closed(deposit: string): void;
}

export function performDeposit(
  context: DepositContext,
  routing: { readonly router: Pick<Router, 'toUri'>; readonly sendRequest: SendRequest },
): PerformDeposit {
  const { acks, clock, deposits, identity, onFault, sessions, signals } = context;
  /** Our 2xx of sessions that have ended, which are open no more. */
  const ended = new Map<string, Uint8Array>();

  function describe(deposit: string, session: OpenSession): Uint8Array {
    const { media, end } = session;
    const offer = deposits.offer(deposit, end?.tls ?? false);
    const common = {
      ...offer,
      originId: originIdAt(clock.now()),
      maxSize: context.large.bytesMax,
    };
    if (!media) return renderReceivingOffer(common);
    const setup = end?.setup === 'passive' ? 'active' : 'passive';
    return renderAnswer({ ...common, setup, offered: media });
  }

  function success(session: OpenSession, body: Uint8Array): Verdict {
    return {
      status: 200,
      recordRoute: 'copied',
      headers: [
        ['Contact', context.contact(session.transaction.source)],
        ['Allow', DIALOG_METHODS],
        ['Supported', 'timer'],
        ...session.timerHeaders,
        ['Content-Type', 'application/sdp'],
      ],
      body,
    };
  }

  /** RFC 3261 §13.3.1.4: repeated until the ACK comes, over TCP too. */
  function awaitAck(deposit: string, session: OpenSession, octets: Uint8Array, offers: boolean) {
    const { transaction } = session;
    const cseq = Number.parseInt(transaction.request.first('cseq') ?? '', 10);
    const told = (fact: Promise<void>): void => {
      fact.catch((fault: unknown) => onFault(`deposit ${deposit}`, fault));
    };
    acks.wait(deposit, {
      ...{ cseq, isOffer: offers },
      sendAgain: () => void transaction.respond(octets, 200),
      onAck(ack) {
        const { source } = transaction;
        const answered = offers ? answerToOffer(context, deposit, session, ack) : {};
        const fact = { type: 'AckReceived', data: answered, cause: 'acknowledged' };
        told(context.tellFact(deposit, fact, { message: ack, source }));
      },
      onMissing() {
        told(context.tellFact(deposit, { type: 'AckMissed', data: {}, cause: 'ack missed' }));
      },
    });
  }

  function accept(deposit: string, session: OpenSession): Uint8Array | undefined {
    const { transaction } = session;
    try {
      const description = describe(deposit, session);
      session.description = description;
      return context.respond(transaction, success(session, description));
    } catch (fault) {
      onFault(`answer to the INVITE of deposit ${deposit}`, fault);
      if (!transaction.answered) context.respond(transaction, { status: 500 });
      return undefined;
    }
  }

  async function answerInvite(effect: Effect): Promise<void> {
    const deposit = parseStreamName(effect.event.stream).id;
    const { offers } = effect.params as Params<'answerInvite'>;
    const session = sessions.get(deposit);
    // Of another process: what it offered is closed by DepositInterrupted.
    if (!session) return;
    const octets = accept(deposit, session);
    if (octets) {
      session.answer = octets;
      return awaitAck(deposit, session, octets, offers);
    }
    // A CANCEL was faster (RFC 3261 §9.2).
    const data = { cause: 'cancelled' };
    await context.tellFact(deposit, { type: 'DepositInterrupted', data, cause: 'cancelled' });
  }

  /** RFC 3261 §15.1.1; whoever answers it, and how, the session is over. */
  async function bye(effect: Effect): Promise<void> {
    const deposit = parseStreamName(effect.event.stream).id;
    const { account, dialog: recorded, cseq } = effect.params as Params<'sendBye'>;
    const { inviteCseq, ...ends } = recorded;
    const dialog = { role: 'uas', ...ends, localCseq: cseq, remoteCseq: inviteCseq } as const;
    const hops = await routing.router.toUri(nextHopUri(dialog), account, clock.now());
    const render = (hop: Hop, attempt: number) => {
      const branch = identity.branchOf(attempt === 0 ? effect.id : `${effect.id} ${attempt}`);
      const headers = plainHeaders(identity);
      const parts = { method: 'BYE', cseq, branch, via: viaOf(hop), headers };
      return { branch, octets: requestInDialog(dialog, parts) };
    };
    const heard = (status: number, told?: Parameters<DepositContext['tellFact']>[2]): void => {
      const fact = { type: 'ByeAnswered', data: { status }, cause: `bye answered ${cseq}` };
      context.tellFact(deposit, fact, told).catch((fault: unknown) => onFault(effect.id, fault));
    };
    routing.sendRequest(
      { method: 'BYE', hops, render },
      {
        onProvisional: (response, hop) => signals.received(response.octets, evidenceOf(hop)),
        onFinal: (message, source) => heard(statusOf(message), { message, source }),
        onTimeout: () => heard(408),
        onUnreachable: () => heard(503),
      },
    );
  }

  async function sendBye(effect: Effect): Promise<void> {
    // Not awaited: the grace runs from now, whatever ACK the sender still owes us (RFC 3261 §15).
    acks
      .settled(parseStreamName(effect.event.stream).id)
      .then(() => bye(effect))
      .catch((fault: unknown) => onFault(effect.id, fault));
  }

  return {
    effects: { answerInvite, sendBye },
    answerOf: (deposit) => sessions.get(deposit)?.answer ?? ended.get(deposit),
    closed(deposit) {
      const answer = sessions.get(deposit)?.answer;
      sessions.delete(deposit);
      if (!answer) return;
      ended.set(deposit, answer);
      clock.timer(FORGET_AFTER_MS, () => ended.delete(deposit));
    },
  };
}
