/** What becomes of an INVITE or UPDATE of the client that refreshes the session of a push. */
import type { SessionRefreshedData } from '../../../machines/delivery/events.ts';
import { parseContacts } from '../../../wire/sip/contact.ts';
import { parseMediaType } from '../../../wire/sip/headers.ts';
import { isRequestUri, type SipMessage } from '../../../wire/sip/message.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import { equalUris, parseUri } from '../../../wire/sip/uri.ts';
import type { Headers, Verdict } from '../answer.ts';
import type { ObserveContext } from '../observe-options.ts';
import { DIALOG_METHODS } from '../push/push-requests.ts';
import { agreeTimer } from './agree-timer.ts';
import type { PushSession } from './find-session.ts';
import { answerTo, keepsSession } from './judge-session.ts';

export const SDP = 'application/sdp';
const IDENTITY = 'identity';

/** What applies within the dialog of a push (IM-11.3.2.3-8). */
export const DIALOG_CAPABILITIES: Headers = [
  ['Allow', DIALOG_METHODS],
  ['Supported', 'timer'],
];

/** RFC 3261 §14.2, §20.43: a person who looks into it should learn why. */
const UNCHANGED: Verdict = {
  status: 488,
  headers: [['Warning', '399 im-store "the session of a push stays as it was offered"']],
};

/** A refresh that is agreed to: what its 2xx says, and what the log will hold. */
export interface AgreedRefresh {
  readonly headers: Headers;
  readonly body?: Uint8Array;
  /** The body is our offer, and the ACK will bring the answer. */
  readonly isOffer: boolean;
  readonly data: SessionRefreshedData;
}

/** A verdict refuses, and the session goes on as it was (RFC 3261 §14.2). */
export function judgeRefresh(
  { push, contact }: Pick<ObserveContext, 'push' | 'contact'>,
  { request, source }: Pick<ServerTransaction, 'request' | 'source'>,
  session: PushSession,
): Verdict | AgreedRefresh {
  const target = targetOf(request);
  if (target === undefined) return { status: 400 };
  const timer = agreeTimer(request, session);
  if (timer.kind === 'refused') return timer.verdict;
  const media = negotiate(push, request, session);
  if ('status' in media) return media;
  const moved = target !== '' && !isSameUri(target, session.remoteTarget);
  const content = media.body ? [['Content-Type', SDP] as const] : [];
  const own = ['Contact', contact(source)] as const;
  return {
    ...media,
    headers: [own, ...DIALOG_CAPABILITIES, ...timer.headers, ...content],
    data: { ...timer.data, ...(moved ? { remoteTarget: target } : {}) },
  };
}

function negotiate(
  push: ObserveContext['push'],
  request: SipMessage,
  session: PushSession,
): Verdict | Pick<AgreedRefresh, 'body' | 'isOffer'> {
  if (request.body.length === 0 && methodOf(request) === 'UPDATE') return { isOffer: false };
  const ours = push.description(session.delivery);
  // RFC 3261 §14.2: an INVITE without an offer asks for ours.
  if (request.body.length === 0) return ours ? { isOffer: true, body: ours } : UNCHANGED;
  const type = parseMediaType(request.first('content-type') ?? SDP)?.name;
  if (type !== SDP) return { status: 415, headers: [['Accept', SDP]] };
  const encoding = request.first('content-encoding') ?? IDENTITY;
  if (encoding.toLowerCase() !== IDENTITY) {
    return { status: 415, headers: [['Accept-Encoding', IDENTITY]] };
  }
  const peer = push.peer(session.delivery);
  if (!ours || !peer || !keepsSession(request.body, peer, { ...session, ours })) return UNCHANGED;
  return { isOffer: false, body: answerTo(request.body, ours, peer) };
}

/** URI of the Contact; `''`: there is none; `undefined`: none that a request could be sent to. */
function targetOf(request: SipMessage): string | undefined {
  const line = request.first('contact');
  if (line === undefined) return '';
  const contacts = parseContacts(line);
  const [contact] = contacts === undefined || contacts === '*' ? [] : contacts;
  return contact && isRequestUri(contact.uri) ? contact.uri : undefined;
}

function isSameUri(a: string, b: string): boolean {
  const [left, right] = [parseUri(a), parseUri(b)];
  return a === b || (left !== undefined && right !== undefined && equalUris(left, right));
}

export function methodOf({ start }: SipMessage): string {
  return start.kind === 'request' ? start.method : '';
}
