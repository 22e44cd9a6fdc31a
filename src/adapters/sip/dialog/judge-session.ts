/** Whether a description of the client leaves the session as it is (RFC 3264 §8, A-34). */
import type { ChannelEnd } from '../../../machines/delivery/effects.ts';
import { judgeAnswer } from '../../../wire/sdp/judge-answer.ts';
import { parseMsrpMedia, protocolOf } from '../../../wire/sdp/msrp-media.ts';
import { repeatDescription } from '../../../wire/sdp/repeat-description.ts';
import type { PushSession } from './find-session.ts';

/** The header part of a push is always a fragment. */
const JUDGED = { assumeMultipart: false, wrappedNeeded: ['message/sipfrag'] } as const;

/**
 * It does when messages can go on as before: over the same path, in the same form, no shorter. A
 * client that holds, moves or rejects the session asks for what a running push cannot give.
 */
export function keepsSession(
  description: Uint8Array,
  peer: ChannelEnd,
  session: Pick<PushSession, 'encapsulation'> & { readonly ours?: Uint8Array | undefined },
): boolean {
  const judged = judgeAnswer(description, { ...JUDGED, protocol: protocolOf(session.ours) });
  if (!judged.acceptable) return false;
  const { path, maxSize = Number.POSITIVE_INFINITY, encapsulation } = judged;
  const samePath = path.join(' ') === peer.path.join(' ');
  const longEnough = maxSize >= (peer.maxSize ?? Number.POSITIVE_INFINITY);
  return samePath && longEnough && (encapsulation === undefined || session.encapsulation !== null);
}

/** Our description as the answer to an offer that keeps the session. */
export function answerTo(offer: Uint8Array, ours: Uint8Array, peer: ChannelEnd): Uint8Array {
  const parsed = parseMsrpMedia(offer);
  const offered = parsed.kind === 'media' ? parsed.media : { lines: [], index: 0 };
  return repeatDescription(ours, offered, { peerConnects: peer.setup === 'active' });
}
