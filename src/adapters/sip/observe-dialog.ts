/**
 * Requests of the client within the dialog of a push: BYE, session refresh by INVITE or UPDATE
 * (RFC 3261 §12.2.2, §14.2, §15, RFC 3311, RFC 4028), OPTIONS. What changes the session in a way
 * that a running push cannot follow is refused, and the push goes on (RFC 3261 §14.2).
 */
import { deliveryStream } from '../../deferral/account.ts';
import type { Outcome } from '../../engine/input.ts';
import { parseCSeq } from '../../wire/sip/headers.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import type { ServerTransaction } from '../../wire/sip/server-transaction.ts';
import { byeVerdict, unknownVerdict, type Verdict } from './answer.ts';
import { awaitedAcks } from './dialog/awaited-acks.ts';
import { type PushSession, sessionFinder } from './dialog/find-session.ts';
import { DIALOG_CAPABILITIES, judgeRefresh, methodOf, SDP } from './dialog/judge-refresh.ts';
import { keepsSession } from './dialog/judge-session.ts';
import { evidenceOf, type ObserveContext, type Respond } from './observe-options.ts';
import { DIALOG_METHODS } from './push/push-requests.ts';

/** Dialogs whose last CSeq is remembered: more than are ever open at once. */
const DIALOGS_MAX = 100_000;
/** RFC 3261 §14.2: a client whose request crosses another of its own pauses so long, at most. */
const CROSSED_RETRY_SECONDS_MAX = 10;
export interface ObserveDialog {
  request(transaction: ServerTransaction, respond: Respond): Promise<void>;
  /** The ACK to a 2xx. */
  acknowledged(ack: SipMessage): void;
  /** Resolves when we may say BYE: no 2xx of ours waits for its ACK (RFC 3261 §15). */
  settled(delivery: string): Promise<void>;
  close(): void;
}

export function observeDialog(options: ObserveContext): ObserveDialog {
  const { clock, signals, identity, push } = options;
  const find = sessionFinder(options);
  const acks = awaitedAcks(clock);
  /** CSeq number of the client's last request in each dialog; after a restart any number is taken. */
  const lastCseq = new Map<string, number>();
  /** Deliveries with a refresh of the client that has no answer yet. */
  const refreshing = new Set<string>();

  /** RFC 3261 §12.2.2: whether an older request comes after a newer one. */
  function isOutOfOrder(delivery: string, cseq: number): boolean {
    if (cseq < (lastCseq.get(delivery) ?? 0)) return true;
    lastCseq.delete(delivery);
    const [oldest] = lastCseq.keys();
    if (lastCseq.size >= DIALOGS_MAX && oldest !== undefined) lastCseq.delete(oldest);
    lastCseq.set(delivery, cseq);
    return false;
  }

  async function submit(
    delivery: string,
    transaction: ServerTransaction,
    fact: { readonly type: string; readonly data: unknown; readonly name: string },
  ): Promise<Outcome['outcome']> {
    const { request, source } = transaction;
    const evidence = evidenceOf(source);
    const input = {
      type: fact.type,
      at: clock.now(),
      data: fact.data,
      cause: `${fact.name} received ${request.first('cseq') ?? ''}`,
      octets: signals.evidence(request.octets, 'sip'),
      evidence,
    };
    const { outcome } = await options.submit(deliveryStream(delivery), input);
    if (outcome !== 'accepted') signals.received(request.octets, evidence);
    return outcome;
  }

  async function bye(session: PushSession, transaction: ServerTransaction): Promise<Verdict> {
    const reason = transaction.request.first('reason');
    const data = reason === undefined ? {} : { reason };
    const fact = { type: 'ByeReceived', data, name: 'bye' };
    const outcome = await submit(session.delivery, transaction, fact);
    if (outcome === 'accepted') acks.forget(session.delivery);
    return byeVerdict(outcome);
  }

  /** RFC 3261 §14.2: a pause that is drawn keeps two requests from meeting again. */
  function crossed(): Verdict {
    const [drawn = 0] = options.identifiers.random(1);
    const seconds = drawn % (CROSSED_RETRY_SECONDS_MAX + 1);
    return { status: 500, headers: [['Retry-After', String(seconds)]] };
  }

  /** An offer of ours waits for its answer (RFC 3261 §14.2, RFC 3311 §5.2). */
  function meetsOurs(request: SipMessage, { delivery, phase }: PushSession): boolean {
    if (phase === 'early') return true;
    const isOffer = methodOf(request) === 'INVITE' || request.body.length > 0;
    return isOffer && (push.isOffering(delivery) || acks.isOffering(delivery));
  }

  async function refresh(
    session: PushSession,
    transaction: ServerTransaction,
    respond: Respond,
  ): Promise<void> {
    const { delivery } = session;
    const isInvite = methodOf(transaction.request) === 'INVITE';
    if (meetsOurs(transaction.request, session)) {
      return refuse(transaction, { status: 491 }, respond);
    }
    const judged = judgeRefresh(options, transaction, session);
    if ('status' in judged) return refuse(transaction, judged, respond);
    const fact = { type: 'SessionRefreshed', data: judged.data, name: 'refresh' };
    const outcome = await submit(delivery, transaction, fact);
    if (outcome === 'unknown') return void respond(unknownVerdict());
    // The session ended while this was on its way.
    if (outcome !== 'accepted') return void respond({ status: 481 });
    const { headers, body } = judged;
    const sendAgain = respond({ status: 200, headers, ...(body === undefined ? {} : { body }) });
    if (isInvite && sendAgain) {
      awaitAck(session, transaction.request, { isOffer: judged.isOffer, sendAgain });
    }
  }

  function awaitAck(
    session: PushSession,
    invite: SipMessage,
    success: { readonly isOffer: boolean; readonly sendAgain: () => void },
  ): void {
    const { delivery } = session;
    const cseq = cseqOf(invite);
    /** RFC 3261 §13.3.1.4: the session ends by our BYE, as after a refresh that nobody answered. */
    const lost = (why: string): void => {
      const fact = { type: 'SessionExpired', at: clock.now(), data: { status: 408 } };
      const told = options.tell(deliveryStream(delivery), { ...fact, cause: `${why} ${cseq}` });
      told.catch((fault: unknown) => options.onFault(why, fault));
    };
    acks.wait(delivery, {
      ...success,
      cseq,
      onAck(ack) {
        const peer = push.peer(delivery);
        const isAnswer = success.isOffer && ack.body.length > 0 && peer !== undefined;
        // No answer to a description that stands already leaves it standing.
        if (
          isAnswer &&
          !keepsSession(ack.body, peer, { ...session, ours: push.description(delivery) })
        )
          lost('answer not acceptable');
      },
      onMissing: () => lost('no ACK'),
    });
  }

  function refuse({ request, source }: ServerTransaction, verdict: Verdict, respond: Respond) {
    signals.received(request.octets, evidenceOf(source));
    respond(verdict);
  }

  /** One refresh of the client after the other. */
  async function alone(transaction: ServerTransaction, respond: Respond): Promise<void> {
    const delivery = identity.deliveryOf(transaction.request.first('call-id') ?? '');
    if (delivery === undefined) return refuse(transaction, { status: 481 }, respond);
    if (refreshing.has(delivery)) return refuse(transaction, crossed(), respond);
    refreshing.add(delivery);
    await request(transaction, respond).finally(() => refreshing.delete(delivery));
  }

  async function request(transaction: ServerTransaction, respond: Respond): Promise<void> {
    const method = methodOf(transaction.request);
    const session = await find(transaction.request);
    if (!session) return refuse(transaction, { status: 481 }, respond);
    if (isOutOfOrder(session.delivery, cseqOf(transaction.request))) {
      return refuse(transaction, { status: 500 }, respond);
    }
    switch (method) {
      case 'BYE':
        return void respond(await bye(session, transaction));
      case 'INVITE':
      case 'UPDATE':
        if (session.phase !== 'over') return refresh(session, transaction, respond);
        return refuse(transaction, { status: 481 }, respond);
      case 'OPTIONS': {
        const headers = [...DIALOG_CAPABILITIES, ['Accept', SDP] as const];
        return refuse(transaction, { status: 200, headers }, respond);
      }
      default:
        // A MESSAGE to the store itself: nobody would ever read it, so it is not taken.
        return refuse(transaction, { status: 405, headers: [['Allow', DIALOG_METHODS]] }, respond);
    }
  }

  return {
    request(transaction, respond) {
      const method = methodOf(transaction.request);
      const refreshes = method === 'INVITE' || method === 'UPDATE';
      return refreshes ? alone(transaction, respond) : request(transaction, respond);
    },
    acknowledged(ack) {
      const delivery = identity.deliveryOf(ack.first('call-id') ?? '');
      if (delivery !== undefined) acks.acknowledged(delivery, cseqOf(ack), ack);
    },
    settled: acks.settled,
    close: acks.close,
  };
}

function cseqOf(request: SipMessage): number {
  return parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
}
