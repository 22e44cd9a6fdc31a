/** A MESSAGE for a client that is there: passed on, and its one answer waited for (RFC 3428 §7). */
import type { Signals } from '../../../deferral/signals.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { evidenceOf } from '../observe-options.ts';
import { statusOf } from '../push/push-context.ts';
import type { OutgoingCallbacks } from '../routing/send-request.ts';
import type { Forwarded, ForwardMessage, ForwardSettings } from './forward-contract.ts';
import type { PassOn } from './pass-on.ts';

/**
 * Whatever the settings say: nobody's word about the message, but that it did not get there. A 408
 * may not be passed back either (RFC 4320 §4.2).
 */
const NEVER_PASSED_BACK: ReadonlySet<number> = new Set([408, 482]);

export function forwardMessage(context: {
  readonly signals: Signals;
  readonly passOn: PassOn;
  readonly settings: ForwardSettings;
  timer(delayMs: number, callback: () => void): () => void;
  onFault(where: string, fault: unknown): void;
}): ForwardMessage {
  const { signals, passOn, settings, timer, onFault } = context;

  function outcomeOf(response: SipMessage, hop: Hop): Forwarded {
    const status = statusOf(response);
    const undelivered = NEVER_PASSED_BACK.has(status) || settings.deferOn.has(status);
    if (undelivered) return { kind: 'undelivered', status };
    // RFC 3261 §16.7 step 6: a 503 would say that nothing at all can be sent here.
    const octets = status === 503 ? undefined : passOn.response(response, hop);
    return { kind: 'answered', response, octets };
  }

  return (arrived, passing, onLate) =>
    new Promise((resolve, reject) => {
      let over = false;
      let stopGuard = (): void => {};
      const settled = (): boolean => {
        const before = over;
        over = true;
        stopGuard();
        return before;
      };
      const end = (outcome: Forwarded): void => {
        if (!settled()) resolve(outcome);
      };
      const fail = (fault: unknown): void => {
        if (settled()) onFault('message passed on', fault);
        else reject(fault);
      };
      stopGuard = timer(settings.seconds * 1000, () => end({ kind: 'undelivered', status: 408 }));
      const callbacks: OutgoingCallbacks = {
        onProvisional: (response, hop) => signals.received(response.octets, evidenceOf(hop)),
        onFinal(response, hop) {
          signals.received(response.octets, evidenceOf(hop));
          if (over && statusOf(response) < 300) onLate();
          end(outcomeOf(response, hop));
        },
        onTimeout: () => end({ kind: 'undelivered', status: 408 }),
        onUnreachable: () => end({ kind: 'undelivered', status: 503 }),
      };
      // What counts as undelivered is in the mailbox, or on its way there.
      const isOff = (): boolean => over;
      passOn.request(arrived, { ...passing, isOff }, callbacks).then((isOn) => {
        if (!isOn) end({ kind: 'undelivered', status: 480 });
      }, fail);
    });
}
