/** Whether the INVITE of a sender may leave a message here, and by what session (OMA 9.1.1.2). */
import type { GrantedTimer } from '../../../machines/deposit/events.ts';
import { isLargeMode } from '../../../wire/large-mode.ts';
import { isReachable, type MsrpMedia, parseMsrpMedia } from '../../../wire/sdp/msrp-media.ts';
import { type Dialog, dialogOfInvite } from '../../../wire/sip/dialog.ts';
import { parseMediaType } from '../../../wire/sip/headers.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseUri } from '../../../wire/sip/uri.ts';
import type { Headers, Verdict } from '../answer.ts';
import { agreeTimer } from '../dialog/agree-timer.ts';

/** The record of a message holds its INVITE, which has to fit into one event with the rest. */
export const INVITE_BYTES_MAX = 65_536;
const SDP = 'application/sdp';
const IDENTITY = 'identity';

export interface JudgeOptions {
  /** `large.acceptUntagged`, `large.lateOffer`: on unless told otherwise. */
  readonly acceptUntagged: boolean;
  readonly lateOffer: boolean;
  /** MSRP over TLS is listened for. */
  readonly tls: boolean;
}

/** The sender's end of the MSRP session, as its offer says. */
export interface OfferedEnd {
  readonly path: readonly string[];
  readonly setup: 'active' | 'passive';
  readonly tls: boolean;
  readonly fingerprint?: string;
}

interface Refused {
  readonly kind: 'refused';
  readonly verdict: Verdict;
  readonly reason: string;
}

export type JudgedInvite =
  | Refused
  | {
      readonly kind: 'large';
      readonly rule: 2 | 3;
      readonly dialog: Dialog;
      /** Absent: the INVITE had no offer. */
      readonly end?: OfferedEnd;
      readonly media?: MsrpMedia;
      readonly timer?: GrantedTimer;
      /** Of the 2xx. */
      readonly timerHeaders: Headers;
    };

/** IM-11.3.2.2-1: every way out has its reason, which the log keeps. */
export function judgeInvite(
  invite: SipMessage,
  localTag: string,
  options: JudgeOptions,
): JudgedInvite {
  if (invite.octets.length > INVITE_BYTES_MAX) return refused({ status: 513 }, 'too long');
  const content = contentFault(invite);
  if (content) return content;
  const offer = parseMsrpMedia(invite.body);
  const media = offer.kind === 'media' ? offer.media : undefined;
  const judged = isLargeMode(invite, media, options);
  if (judged.verdict === 'no')
    return refused(notLarge(judged.status, offer), `rule ${judged.rule}`);
  const dialog = dialogOfInvite(invite, localTag);
  if (!dialog || !isCallable(dialog.remoteTarget)) {
    return refused({ status: 400 }, 'no usable Contact');
  }
  const timer = grantTimer(invite);
  if (timer.kind === 'refused') return timer;
  const agreed = { ...timer, kind: 'large', rule: judged.rule, dialog } as const;
  if (!media) return agreed;
  const end = endOf(media);
  if (end.tls && !options.tls) {
    return refused(notAcceptable('no TLS for MSRP here'), 'TLS is not listened for');
  }
  if (end.setup === 'passive' && !isReachable(media)) {
    return refused(notAcceptable('nobody can be reached at the path'), 'unusable path');
  }
  return { ...agreed, media, end };
}

/** RFC 3261 §8.1.1.8: the Contact of an INVITE is a SIP or SIPS URI. */
export function isCallable(target: string): boolean {
  const scheme = parseUri(target)?.scheme;
  return scheme === 'sip' || scheme === 'sips';
}

/** RFC 3261 §8.2.3: a body of a type or coding that is not taken, and what would be. */
export function contentFault(invite: SipMessage): Refused | undefined {
  const type = parseMediaType(invite.first('content-type') ?? SDP)?.name;
  if (type !== SDP) {
    return refused({ status: 415, headers: [['Accept', SDP]] }, 'not application/sdp');
  }
  const coding = (invite.first('content-encoding') ?? IDENTITY).toLowerCase();
  if (coding === IDENTITY) return undefined;
  return refused({ status: 415, headers: [['Accept-Encoding', IDENTITY]] }, `coded as ${coding}`);
}

function notLarge(status: 480 | 488, offer: ReturnType<typeof parseMsrpMedia>): Verdict {
  if (status === 480) return { status };
  return notAcceptable(offer.kind === 'refusal' ? offer.reason : 'no message can come by it');
}

/** RFC 3261 §21.4.26: the Warning says what is wrong with the description. */
export function notAcceptable(why: string): Verdict {
  const text = why.replaceAll('§', 'section ').replace(/[^ !#-[\]-~]/g, '?');
  return { status: 488, headers: [['Warning', `399 im-store "${text}"`]] };
}

function endOf(media: MsrpMedia): OfferedEnd {
  const { path, setup, fingerprint } = media;
  return {
    path,
    // RFC 4975 §5.4: the offerer connects; one that says `passive` must not (RFC 6135 §4.2), but may.
    setup: setup === 'passive' ? 'passive' : 'active',
    tls: media.protocol === 'TCP/TLS/MSRP',
    ...(fingerprint === undefined ? {} : { fingerprint }),
  };
}

/** a timer is granted when the sender refreshes it; else there is none (RFC 4028 §9). */
function grantTimer(invite: SipMessage) {
  const agreed = agreeTimer(invite, { sessionExpiresSeconds: null, refreshes: false });
  if (agreed.kind === 'refused') return refused(agreed.verdict, 'session interval');
  const { sessionExpiresSeconds, refresher } = agreed.data;
  // In terms of a push `uas` is the client that asks, which here is the INVITE's `uac`.
  if (sessionExpiresSeconds === undefined || refresher !== 'uas') {
    return { kind: 'agreed', timerHeaders: [] } as const;
  }
  const timer: GrantedTimer = { sessionExpiresSeconds, refresher: 'uac' };
  return { kind: 'agreed', timer, timerHeaders: agreed.headers } as const;
}

function refused(verdict: Verdict, reason: string): Refused {
  return { kind: 'refused', verdict, reason };
}
