/** Answers outside of transactions: to who is not trusted, and to what cannot be read as a whole. */
import type { Signals } from '../../../deferral/signals.ts';
import { type Hop, responseHop } from '../../../wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../../wire/sip/message.ts';
import type { answers, Verdict } from '../answer.ts';
import { evidenceOf } from '../observe-options.ts';

export interface BareAnswers {
  /** Says the first of the verdicts that may be said; false: each would be too large an answer. */
  refuse(request: SipMessage, source: Hop, verdicts: readonly Verdict[]): boolean;
  unreadable(refusal: Refusal, source: Hop): void;
}

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

  /** Who can forge a source address must gain nothing by it (RFC 3261 §26.1.5). */
  function isAmplified(answer: Uint8Array, to: SipMessage, source: Hop): boolean {
    if (source.transport !== 'udp' || isTrusted(source)) return false;
    return answer.length > to.octets.length;
  }

  function say(octets: Uint8Array, to: SipMessage, source: Hop): boolean {
    if (isAmplified(octets, to, source)) return false;
    if (isTrusted(source)) signals.sent(octets, evidenceOf(source));
    send(octets, answerHop(to, source));
    return true;
  }

  return {
    /**
     * The same answer each time (RFC 3261 §8.2.7), and no evidence: who is not trusted can neither
     * have answers repeated nor fill the log.
     */
    refuse(request, source, verdicts) {
      const toTag = tagFor(request);
      return verdicts.some((one) =>
        say(render(request, source, { ...one, toTag }), request, source),
      );
    },
    unreadable({ status, message }, source) {
      if (message === undefined) return;
      if (isTrusted(source)) signals.received(message.octets, evidenceOf(source));
      if (status === null) return;
      say(render(message, source, { status, toTag: tagFor(message) }), message, source);
    },
  };
}
