/** What comes back for the INVITE of a push, as facts of its delivery (RFC 3261 §13.2.2, RFC 3262). */
import type {
  InviteAnsweredData,
  InviteProgressedData,
  InviteRefusedData,
} from '../../../machines/delivery/events.ts';
import { judgeAnswer } from '../../../wire/sdp/judge-answer.ts';
import { protocolOf } from '../../../wire/sdp/msrp-media.ts';
import { dialogFrom2xx } from '../../../wire/sip/dialog.ts';
import {
  parseCSeq,
  parseMediaType,
  parseMinSe,
  parseRetryAfter,
} from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { rseqOf } from '../../../wire/sip/reliable-response.ts';
import { grantedTimer } from '../dialog/agree-timer.ts';
import { evidenceOf } from '../observe-options.ts';
import { ackKey, REPEATED_2XX_MS } from './perform-dialog.ts';
import { type PushContext, statusOf } from './push-context.ts';

/** Forks that a 2xx may come from within the time that one is repeated; a person has fewer devices. */
const FORKS_MAX = 32;
/** As many forks as the chart tells apart. */
const EARLY_ANSWERS_MAX = 8;
/** What the push needs of the recipient: the header part is always a fragment (A-24, A-34). */
const JUDGED = { assumeMultipart: false, wrappedNeeded: ['message/sipfrag'] } as const;

export function hearInvite(context: PushContext) {
  const { acks, channels, clock, credentials, fact, say, signals } = context;
  /** Answers of reliable provisional responses, by delivery and To-tag: each fork has its own. */
  const earlyAnswers = new Map<string, Map<string, Uint8Array>>();

  /** How many dialogs a 2xx made of late, by delivery. */
  const forks = new Map<string, number>();

  /** RFC 3262 §5: the answer may have come in a reliable response; then the 2xx has none. */
  function sdpOf(delivery: string, toTag: string, response: SipMessage): Uint8Array {
    const early = earlyAnswers.get(delivery)?.get(toTag);
    return response.body.length === 0 && early ? early : response.body;
  }

  /** The first description of a fork is its answer (RFC 3261 §13.2.1); later ones are none. */
  function keepAnswer(delivery: string, response: SipMessage): void {
    const { remoteTag: toTag } = dialogFrom2xx(response, response);
    const type = parseMediaType(response.first('content-type') ?? '')?.name;
    if (toTag === '' || rseqOf(response) === undefined || type !== 'application/sdp') return;
    const answers = earlyAnswers.get(delivery) ?? new Map<string, Uint8Array>();
    if (answers.has(toTag) || answers.size >= EARLY_ANSWERS_MAX) return;
    earlyAnswers.set(delivery, answers.set(toTag, response.body));
  }

  function judged(delivery: string, toTag: string, response: SipMessage) {
    const protocol = protocolOf(context.descriptions.of(delivery));
    const answer = judgeAnswer(sdpOf(delivery, toTag, response), { ...JUDGED, protocol });
    // RFC 4975 §14.1: who knows the path can take the session.
    return answer.acceptable && channels.conceal
      ? { ...answer, path: channels.conceal(delivery, answer.path, answer.fingerprint) }
      : answer;
  }

  /** Each costs events, and a BYE to wherever its 2xx says: no client has them at will. */
  function isOneTooMany(delivery: string): boolean {
    const before = forks.get(delivery) ?? 0;
    if (before >= FORKS_MAX) return true;
    if (before === 0) clock.timer(REPEATED_2XX_MS, () => forks.delete(delivery));
    forks.set(delivery, before + 1);
    return false;
  }

  function answered(delivery: string, response: SipMessage, hop: Hop): void {
    const { remoteTag: toTag, remoteTarget, routeSet } = dialogFrom2xx(response, response);
    const inviteCseq = cseqOf(response);
    const key = ackKey(delivery, toTag, inviteCseq);
    const known = acks.get(key);
    if (known || isOneTooMany(delivery)) {
      signals.received(response.octets, evidenceOf(hop));
      if (known && known !== 'awaited') say(known.octets, known.hop);
      return;
    }
    acks.set(key, 'awaited');
    const allow = response.all('allow').join(', ');
    const data: InviteAnsweredData = {
      status: statusOf(response),
      inviteCseq,
      toTag,
      remoteTarget,
      routeSet,
      ...(allow === '' ? {} : { allow }),
      ...grantedTimer(response),
      answer: judged(delivery, toTag, response),
    };
    const told = { message: response, hop };
    const cause = `answered ${toTag}${inviteCseq === 1 ? '' : ` ${inviteCseq}`}`;
    void fact(delivery, 'InviteAnswered', data, cause, told).then((outcome) => {
      // No ACK will follow: the client's next repetition is a new chance.
      if (outcome?.outcome !== 'accepted') acks.delete(key);
    });
  }

  function refused(delivery: string, response: SipMessage, hop: Hop): void {
    const status = statusOf(response);
    const inviteCseq = cseqOf(response);
    const retryAfterMs = parseRetryAfter(response.first('retry-after') ?? '');
    const minSeMs = parseMinSe(response.first('min-se') ?? '');
    const told = { message: response, hop };
    const challenge = credentials.challengeOf(told);
    const data: InviteRefusedData = {
      status,
      inviteCseq,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(minSeMs === undefined ? {} : { minSeSeconds: minSeMs / 1000 }),
      ...(challenge ? { challenge } : {}),
    };
    void fact(delivery, 'InviteRefused', data, `refused ${status} ${inviteCseq}`, told);
  }

  function progressed(delivery: string, response: SipMessage, hop: Hop): void {
    const { remoteTag: toTag, remoteTarget, routeSet } = dialogFrom2xx(response, response);
    const allow = response.all('allow').join(', ');
    const contact = response.first('contact');
    const inviteCseq = cseqOf(response);
    // RFC 3262 §4: without a To-tag there is no dialog to acknowledge it in.
    const rseq = toTag === '' ? undefined : rseqOf(response);
    const data: InviteProgressedData = {
      status: statusOf(response),
      inviteCseq,
      ...(contact === undefined ? {} : { contact }),
      ...(allow === '' ? {} : { allow }),
      ...(toTag === '' ? {} : { toTag }),
      ...(remoteTarget === '' ? {} : { remoteTarget }),
      ...(routeSet.length === 0 ? {} : { routeSet }),
      ...(rseq === undefined ? {} : { rseq }),
    };
    // What is said in the same words is one event; another INVITE, fork or RSeq makes another.
    const words = [inviteCseq, data.status, allow, toTag, rseq ?? ''].join(' ');
    void fact(delivery, 'InviteProgressed', data, `progressed ${words}`, {
      message: response,
      hop,
    });
  }

  return {
    progressed,
    /** Only for an INVITE of this process: after a restart no push goes on. */
    keepAnswer,
    final(delivery: string, response: SipMessage, hop: Hop): void {
      if (statusOf(response) < 300) answered(delivery, response, hop);
      else refused(delivery, response, hop);
    },
    /** What was only for the time of the INVITE. */
    forget: (delivery: string): void => void earlyAnswers.delete(delivery),
  };
}

export function cseqOf(response: SipMessage): number {
  return parseCSeq(response.first('cseq') ?? '')?.number ?? 1;
}
