/** What comes back for the INVITE of a push, as facts of its delivery (RFC 3261 §13.2.2, RFC 3262). */
import type {
  InviteAnsweredData,
  InviteProgressedData,
  InviteRefusedData,
} from '../../../machines/delivery/events.ts';
import { judgeAnswer } from '../../../wire/sdp/judge-answer.ts';
import { dialogFrom2xx } from '../../../wire/sip/dialog.ts';
import {
  parseCSeq,
  parseMinSe,
  parseRetryAfter,
  parseSessionExpires,
} from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { rseqOf } from '../../../wire/sip/reliable-response.ts';
import { evidenceOf } from '../observe-options.ts';
import { ackKey } from './perform-dialog.ts';
import { type PushContext, statusOf } from './push-context.ts';

/** What the push needs of the recipient: the header part is always a fragment (A-24, A-34). */
const JUDGED = { assumeMultipart: false, wrappedNeeded: ['message/sipfrag'] } as const;

export function hearInvite(context: PushContext) {
  const { acks, channels, credentials, fact, say, signals } = context;
  /** Answers of reliable provisional responses, by delivery: the 2xx need not repeat them. */
  const earlyAnswers = new Map<string, { readonly toTag: string; readonly sdp: Uint8Array }>();

  /** RFC 3262 §5: the answer may have come in a reliable response; then the 2xx has none. */
  function sdpOf(delivery: string, toTag: string, response: SipMessage): Uint8Array {
    const known = earlyAnswers.get(delivery);
    return response.body.length === 0 && known?.toTag === toTag ? known.sdp : response.body;
  }

  function judged(delivery: string, toTag: string, response: SipMessage) {
    const answer = judgeAnswer(sdpOf(delivery, toTag, response), JUDGED);
    // RFC 4975 §14.1: who knows the path can take the session.
    return answer.acceptable && channels.conceal
      ? { ...answer, path: channels.conceal(delivery, answer.path) }
      : answer;
  }

  function answered(delivery: string, response: SipMessage, hop: Hop): void {
    const { remoteTag: toTag, remoteTarget, routeSet } = dialogFrom2xx(response, response);
    const inviteCseq = cseqOf(response);
    const key = ackKey(delivery, toTag, inviteCseq);
    const known = acks.get(key);
    if (known) {
      signals.received(response.octets, evidenceOf(hop));
      if (known !== 'awaited') say(known.octets, known.hop);
      return;
    }
    acks.set(key, 'awaited');
    const allow = response.all('allow').join(', ');
    const session = parseSessionExpires(response.first('session-expires') ?? '');
    const data: InviteAnsweredData = {
      status: statusOf(response),
      inviteCseq,
      toTag,
      remoteTarget,
      routeSet,
      ...(allow === '' ? {} : { allow }),
      ...(session ? { sessionExpiresSeconds: session.intervalMs / 1000 } : {}),
      ...(session?.refresher ? { refresher: session.refresher } : {}),
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
    const challenge = credentials.challengeOf(response);
    const data: InviteRefusedData = {
      status,
      inviteCseq,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(minSeMs === undefined ? {} : { minSeSeconds: minSeMs / 1000 }),
      ...(challenge ? { challenge } : {}),
    };
    const told = { message: response, hop };
    void fact(delivery, 'InviteRefused', data, `refused ${status} ${inviteCseq}`, told);
  }

  function progressed(delivery: string, response: SipMessage, hop: Hop): void {
    const { remoteTag: toTag, remoteTarget, routeSet } = dialogFrom2xx(response, response);
    const allow = response.all('allow').join(', ');
    const contact = response.first('contact');
    const inviteCseq = cseqOf(response);
    // RFC 3262 §4: without a To-tag there is no dialog to acknowledge it in.
    const rseq = toTag === '' ? undefined : rseqOf(response);
    if (rseq !== undefined && response.body.length > 0) {
      earlyAnswers.set(delivery, { toTag, sdp: response.body });
    }
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
