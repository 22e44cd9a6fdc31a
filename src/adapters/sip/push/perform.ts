/**
 * What the delivery chart asks of SIP. Every request is derived from the log, so it is the same
 * after a restart; what comes back is submitted, and nothing is decided here.
 */
import type { SipEffects } from '../../../deferral/transports.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { performDialog } from './perform-dialog.ts';
import { performInvite } from './perform-invite.ts';
import { performRefresh } from './perform-refresh.ts';
import { type PushContextOptions, pushContext } from './push-context.ts';

export interface Perform {
  readonly effects: SipEffects;
  /** A response that no transaction wants: of an INVITE from before a restart, or repeated. */
  strayResponse(response: SipMessage, source: Hop): void;
  /** SDP of a push of this process as it was offered; `undefined`: it has ended, or is another's. */
  description(delivery: string): Uint8Array | undefined;
  /** Whether a re-INVITE of ours with an offer has no answer yet. */
  isOffering(delivery: string): boolean;
}

export function perform(options: PushContextOptions): Perform {
  const context = pushContext(options);
  const { sendInvite, cancelInvite, stray } = performInvite(context);
  const dialog = performDialog(context);
  const { sendPrack, sendAck, sendBye } = dialog;
  const refreshSession = performRefresh(context, dialog);
  return {
    effects: { sendInvite, cancelInvite, sendPrack, sendAck, sendBye, refreshSession },
    strayResponse(response, source) {
      stray(response, source).catch((fault: unknown) => options.onFault('stray response', fault));
    },
    description: (delivery) => context.descriptions.of(delivery),
    isOffering: (delivery) => context.offering.has(delivery),
  };
}
