/** Whether a peer's answer lets us push: decision A-34. */
import { isReachable, type MsrpMedia, parseMsrpMedia } from './msrp-media.ts';

/** As the delivery's InviteAnswered records it. */
export type Answer =
  | {
      readonly acceptable: true;
      readonly path: readonly string[];
      readonly setup: 'active' | 'passive';
      readonly maxSize?: number;
      readonly acceptTypes: readonly string[];
      readonly acceptWrappedTypes: readonly string[];
      /** Present: message/sip is in neither list, so the fragment form is used (A-22). */
      readonly encapsulation?: 'sipfrag';
      /** Present: message/msrp is in neither list, so no Large message is sent (A-34). */
      readonly refusesLarge?: true;
      /** `a=fingerprint` of the peer's certificate, over TLS. */
      readonly fingerprint?: string;
    }
  | { readonly acceptable: false; readonly reason: string };

export interface JudgeOptions {
  /** `push.assumeMultipart`: RFC 4975 §7.3.1 obliges every endpoint to receive multipart/mixed. */
  readonly assumeMultipart: boolean;
  /** What was offered; default: MSRP over plain TCP. */
  readonly protocol?: MsrpMedia['protocol'];
  /** Media types that will stand inside, for example `message/sipfrag`. */
  readonly wrappedNeeded: readonly string[];
}

/** What is not acceptable says why, in words for the log. Nothing throws: octets may be no SDP. */
export function judgeAnswer(answerSdp: Uint8Array, options: JudgeOptions): Answer {
  const parsed = parseMsrpMedia(answerSdp);
  if (parsed.kind === 'refusal') return no(parsed.reason);
  const { media } = parsed;
  const { path, acceptTypes, acceptWrappedTypes, maxSize, direction } = media;
  if (media.port === 0) return no('the media was rejected (port 0)');
  const { protocol = 'TCP/MSRP' } = options;
  if (media.protocol !== protocol) return no(`the answer is ${media.protocol}, not ${protocol}`);
  if (direction !== 'recvonly' && direction !== 'sendrecv') {
    return no(`the peer will not receive (a=${direction})`);
  }
  if (!options.assumeMultipart && !accepts(acceptTypes, 'multipart/mixed')) {
    return no('multipart/mixed is not in a=accept-types');
  }
  const either = [...acceptTypes, ...acceptWrappedTypes];
  const isCalled = media.setup !== 'active';
  if (isCalled && !isReachable(media)) return no(`nobody is reached at ${path[0]} by ${protocol}`);
  const missing = options.wrappedNeeded.filter((type) => !accepts(either, type));
  if (missing.length > 0) return no(`${missing.join(', ')} is in neither list of accepted types`);
  return {
    acceptable: true,
    path,
    // RFC 4975 §5.4, RFC 6135 §4.2.1: `holdconn` and no a=setup mean that the offerer connects.
    setup: isCalled ? 'passive' : 'active',
    ...(maxSize === undefined ? {} : { maxSize }),
    acceptTypes,
    acceptWrappedTypes,
    ...(accepts(either, 'message/sip') ? {} : { encapsulation: 'sipfrag' }),
    ...(accepts(either, 'message/msrp') ? {} : { refusesLarge: true }),
    ...(media.fingerprint === undefined ? {} : { fingerprint: media.fingerprint }),
  };
}

/** RFC 4975 §8.6: `*` and `type/*` are wildcards, parameters and case do not count. */
function accepts(list: readonly string[], type: string): boolean {
  const family = type.slice(0, type.indexOf('/'));
  return list.some((entry) => {
    const bare = (entry.split(';')[0] ?? '').toLowerCase();
    return bare === '*' || bare === type || bare === `${family}/*`;
  });
}

function no(reason: string): Answer {
  return { acceptable: false, reason };
}
