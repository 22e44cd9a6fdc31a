/** Answers outside of transactions: to who is not trusted, and to what cannot be read as a whole. */
import type { Signals } from '../../../deferral/signals.ts';
import { type Hop, responseHop } from '../../../wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../../wire/sip/message.ts';
import type { answers, Verdict } from '../answer.ts';
import { evidenceOf } from '../observe-options.ts';

export interface BareAnswers {
  /**
   * Says the first of the verdicts that is not larger than the request, or else the last one, when
   * that is a challenge of bearable size; false: nothing is said.
   */
  refuse(request: SipMessage, source: Hop, verdicts: readonly Verdict[]): boolean;
  unreadable(refusal: Refusal, source: Hop): void;
}

/**
 * How much larger than the request the last challenge may be: a client that writes little must hear
 * of it all the same. What somebody else's address can be sent this way, its rate bounds.
 */
const CHALLENGE_GROWTH_MAX = 2;

export function bareAnswers(options: {
  readonly signals: Signals;
  readonly render: ReturnType<typeof answers>;
  isTrusted(source: Hop): boolean;
  /** A To-tag that is the same whenever the request comes again. */
  tagFor(request: SipMessage): string;
  send(octets: Uint8Array, hop: Hop): void;
}): BareAnswers {
  const { signals, render, isTrusted, tagFor, send } = options;

  /**
   * RFC 3261 §18.2.2, also for what cannot be read as a whole. The `maddr` of who is not trusted is
   * not followed: it would aim our answers at others.
   */
  function answerHop(request: SipMessage, source: Hop): Hop {
    const hop = responseHop(request, source);
    return isTrusted(source) ? hop : { ...hop, host: source.host };
  }

  /** Who can forge a source address must gain little by it (RFC 3261 §26.1.5). */
  function maySay(octets: Uint8Array, to: SipMessage, source: Hop, growthMax = 1): boolean {
    if (source.transport !== 'udp' || isTrusted(source)) return true;
    return octets.length <= to.octets.length * growthMax;
  }

  return {
    /**
     * The same answer each time (RFC 3261 §8.2.7), and no evidence: who is not trusted can neither
     * have answers repeated nor fill the log.
     */
    refuse(request, source, verdicts) {
      const toTag = tagFor(request);
      for (const [index, verdict] of verdicts.entries()) {
        const octets = render(request, source, { ...verdict, toTag });
        const isLastChallenge = verdict.status === 401 && index === verdicts.length - 1;
        const growthMax = isLastChallenge ? CHALLENGE_GROWTH_MAX : 1;
        if (!maySay(octets, request, source, growthMax)) continue;
        send(octets, answerHop(request, source));
        return true;
      }
      return false;
    },
    unreadable({ status, message }, source) {
      if (message === undefined) return;
      if (isTrusted(source)) signals.received(message.octets, evidenceOf(source));
      if (status === null) return;
      const octets = render(message, source, { status, toTag: tagFor(message) });
      if (!maySay(octets, message, source)) return;
      if (isTrusted(source)) signals.sent(octets, evidenceOf(source));
      send(octets, answerHop(message, source));
    },
  };
}
