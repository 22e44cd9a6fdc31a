/** The session timer as the server of a refresh agrees to it (RFC 4028 §9). */
import type { SessionRefreshedData } from '../../../machines/delivery/events.ts';
import { parseSessionExpires, parseTokens } from '../../../wire/sip/headers.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { Headers, Verdict } from '../answer.ts';
import type { PushSession } from './find-session.ts';

/** RFC 4028 §5: no interval is shorter. */
const SESSION_SECONDS_MIN = 90;

export type AgreedTimer =
  | { readonly kind: 'refused'; readonly verdict: Verdict }
  | {
      readonly kind: 'agreed';
      /** Of the 2xx. */
      readonly headers: Headers;
      readonly data: Pick<SessionRefreshedData, 'sessionExpiresSeconds' | 'refresher'>;
    };

/**
 * The interval is the one asked for; a client that asks for none leaves the one in force. The
 * refresher follows table 2: as asked, else it stays who it is, if the client can be it.
 */
export function agreeTimer(
  request: SipMessage,
  session: Pick<PushSession, 'sessionExpiresSeconds' | 'refreshes'>,
): AgreedTimer {
  const line = request.first('session-expires');
  const asked = line === undefined ? undefined : parseSessionExpires(line);
  if (line !== undefined && asked === undefined) return refused({ status: 400 });
  const seconds = asked ? asked.intervalMs / 1000 : session.sessionExpiresSeconds;
  if (seconds === null) return { kind: 'agreed', headers: [], data: {} };
  if (asked && seconds < SESSION_SECONDS_MIN) {
    return refused({ status: 422, headers: [['Min-SE', String(SESSION_SECONDS_MIN)]] });
  }
  const canThey = parseTokens(request.all('supported'))?.includes('timer') === true;
  const refresher = asked?.refresher ?? (session.refreshes || !canThey ? 'uas' : 'uac');
  return {
    kind: 'agreed',
    headers: [
      ['Session-Expires', `${seconds};refresher=${refresher}`],
      ...(refresher === 'uac' ? [['Require', 'timer'] as const] : []),
    ],
    // The log speaks in terms of the push INVITE, whose client we are.
    data: { sessionExpiresSeconds: seconds, refresher: refresher === 'uac' ? 'uas' : 'uac' },
  };
}

/**
 * The timer that a 2xx to a request of ours grants. What is shorter than the shortest there is counts
 * as that: taken at its word, a second would have us refresh at every moment.
 */
export function grantedTimer(
  response: SipMessage,
): Pick<SessionRefreshedData, 'sessionExpiresSeconds' | 'refresher'> {
  const granted = parseSessionExpires(response.first('session-expires') ?? '');
  if (!granted) return {};
  const { intervalMs, refresher } = granted;
  return {
    sessionExpiresSeconds: Math.max(intervalMs / 1000, SESSION_SECONDS_MIN),
    ...(refresher ? { refresher } : {}),
  };
}

function refused(verdict: Verdict): AgreedTimer {
  return { kind: 'refused', verdict };
}
