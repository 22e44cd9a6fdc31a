/** Answers outside of transactions: to who is not trusted, and to what cannot be read as a whole. */
import type { Signals } from '../../../deferral/signals.ts';
import { type Hop, responseHop } from '../../../wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../../wire/sip/message.ts';
import type { answers } from '../answer.ts';
import { evidenceOf } from '../observe-options.ts';

export interface BareAnswers {
  stranger(request: SipMessage, source: Hop): void;
  unreadable(refusal: Refusal, source: Hop): void;
}

export function bareAnswers(options: {
  readonly signals: Signals;
  readonly render: ReturnType<typeof answers>;
  trusted(address: string): boolean;
  /** A To-tag that is the same whenever the request comes again. */
  tagFor(request: SipMessage): string;
  send(octets: Uint8Array, hop: Hop): void;
}): BareAnswers {
  const { signals, render, trusted, tagFor, send } = options;

  /**
   * RFC 3261 §18.2.2, also for what cannot be read as a whole. The `maddr` of who is not trusted is
   * not followed: it would aim our answers at others.
   */
  function answerHop(request: SipMessage, source: Hop): Hop {
    const hop = responseHop(request, source);
    return trusted(source.host) ? hop : { ...hop, host: source.host };
  }

  /** Who can forge a source address must gain nothing by it (RFC 3261 §26.1.5). */
  function isAmplified(answer: Uint8Array, to: SipMessage, source: Hop): boolean {
    if (source.transport !== 'udp' || trusted(source.host)) return false;
    return answer.length > to.octets.length;
  }

  function say(octets: Uint8Array, to: SipMessage, source: Hop): void {
    if (isAmplified(octets, to, source)) return;
    if (trusted(source.host)) signals.sent(octets, evidenceOf(source));
    send(octets, answerHop(to, source));
  }

  return {
    /**
     * One answer, the same each time (RFC 3261 §8.2.7), and no evidence: who is not trusted can
     * neither have answers repeated nor fill the log.
     */
    stranger(request, source) {
      // Nothing ever answers an ACK (RFC 3261 §17.1.1.3).
      if (request.start.kind === 'request' && request.start.method === 'ACK') return;
      say(render(request, source, { status: 403, toTag: tagFor(request) }), request, source);
    },
    unreadable({ status, message }, source) {
      if (message === undefined) return;
      if (trusted(source.host)) signals.received(message.octets, evidenceOf(source));
      if (status === null) return;
      say(render(message, source, { status, toTag: tagFor(message) }), message, source);
    },
  };
}
