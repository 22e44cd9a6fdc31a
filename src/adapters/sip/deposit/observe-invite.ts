/** The INVITE of a sender who wants to leave a message here (IM-11.3.2.2-1…-3). */
import { depositStream } from '../../../deferral/account.ts';
import type { DepositOfferedData } from '../../../machines/deposit/events.ts';
import { parseCSeq } from '../../../wire/sip/headers.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import { unknownVerdict, type Verdict } from '../answer.ts';
import { evidenceOf } from '../observe-options.ts';
import { type DepositContext, depositOfTag } from './deposit-context.ts';
import { type JudgedInvite, judgeInvite } from './judge-invite.ts';

/** Sessions that are open at once: each may hold a file and some memory. */
export const OPEN_SESSIONS_MAX = 2_000;

export type ObserveInvite = (transaction: ServerTransaction, account: string) => Promise<void>;

export function observeInvite(context: DepositContext): ObserveInvite {
  const { clock, signals, sessions, deposits, respond } = context;

  /** The verdict is in the log before it leaves, with its reason. */
  async function refuse(
    transaction: ServerTransaction,
    refusal: { readonly account: string; readonly verdict: Verdict; readonly reason: string },
  ): Promise<void> {
    const { request, source } = transaction;
    const { account, verdict, reason } = refusal;
    const deposit = depositOfTag(context.tagFor(request)) ?? '';
    const evidence = evidenceOf(source);
    const { outcome } = await context.submit(depositStream(deposit), {
      type: 'DepositRefused',
      at: clock.now(),
      data: { account, status: verdict.status, reason },
      cause: 'refused',
      octets: signals.evidence(request.octets, 'sip'),
      evidence,
    });
    if (outcome !== 'accepted') signals.received(request.octets, evidence);
    respond(transaction, verdict);
  }

  /** RFC 3261 §8.2.2.2: the same request by another way, while the first is being served. */
  function isMerged(deposit: string, merge: string): boolean {
    for (const [other, session] of sessions) {
      if (other !== deposit && session.merge === merge && !session.transaction.answered)
        return true;
    }
    return false;
  }

  /** What stands in the way of one more session. */
  function obstacle(deposit: string, merge: string, hasRoom: boolean): Verdict | undefined {
    if (isMerged(deposit, merge)) return { status: 482 };
    return hasRoom && sessions.size < OPEN_SESSIONS_MAX ? undefined : { status: 480 };
  }

  /** Its transaction has ended, or it would not come here: it gets the answer that it had. */
  function repeat(transaction: ServerTransaction, answer: Uint8Array): void {
    const { request, source } = transaction;
    signals.received(request.octets, evidenceOf(source));
    if (transaction.respond(answer, 200)) signals.sent(answer, evidenceOf(source));
  }

  async function offer(
    transaction: ServerTransaction,
    account: string,
    judged: Extract<JudgedInvite, { kind: 'large' }>,
  ): Promise<void> {
    const { request } = transaction;
    const { rule, dialog, end, media, timer, timerHeaders } = judged;
    const deposit = depositOfTag(dialog.localTag) ?? '';
    const answer = sessions.get(deposit)?.answer;
    if (answer) return repeat(transaction, answer);
    const merge = mergeOf(request, account);
    const hasRoom = await deposits.hasRoom();
    // Nothing is waited for from here on until the session is among the open ones.
    const verdict = obstacle(deposit, merge, hasRoom);
    if (verdict) {
      const reason = verdict.status === 482 ? 'merged' : 'no room';
      return refuse(transaction, { account, verdict, reason });
    }
    sessions.set(deposit, { transaction, end, media, timerHeaders, merge });
    const { callId, local, remote, localTag, remoteTag, remoteTarget, routeSet } = dialog;
    const inviteCseq = dialog.remoteCseq ?? 0;
    const contact = request.first('contact');
    // Its id is announced before the sender's path is kept with it.
    deposits.offer(deposit, end?.tls ?? false);
    const path = end && deposits.conceal(deposit, end.path, end.fingerprint);
    const data: DepositOfferedData = {
      ...{ account, rule },
      dialog: { callId, local, remote, localTag, remoteTag, remoteTarget, routeSet, inviteCseq },
      ...(contact === undefined ? {} : { contact }),
      ...(end && path ? { end: { path, setup: end.setup } } : {}),
      ...(timer ? { timer } : {}),
    };
    const fact = { type: 'DepositOffered', data, cause: 'offered' };
    const outcome = await context.submitted(deposit, fact, transaction);
    if (outcome === 'accepted') return;
    sessions.delete(deposit);
    deposits.close(deposit);
    // One of before a restart comes again, whose session is over (RFC 3261 §21.5.1).
    respond(transaction, unknownVerdict());
  }

  return async (transaction, account) => {
    const { request } = transaction;
    const judged = judgeInvite(request, context.tagFor(request), {
      ...context.large,
      tls: context.msrpTls,
    });
    if (judged.kind === 'refused') return refuse(transaction, { account, ...judged });
    return offer(transaction, account, judged);
  };
}

/** A proxy may fork to several subscribers, each of whom gets a message of its own. */
function mergeOf(request: SipMessage, account: string): string {
  const tag = parseNameAddr(request.first('from') ?? '')?.tag ?? '';
  const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
  return `${account}\n${request.first('call-id')}\n${tag}\n${cseq}`;
}
