/**
 * What the delivery chart asks of SIP. Every request is derived from the log, so it is the same
 * after a restart; what comes back is submitted, and nothing is decided here.
 */
import type { Channels } from '../../../deferral/channel.ts';
import type { SipEffects } from '../../../deferral/deferral.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { performDialog } from './perform-dialog.ts';
import { performInvite } from './perform-invite.ts';
import { type PushContextOptions, pushContext } from './push-context.ts';

export interface Perform {
  readonly effects: SipEffects;
  /** A response that no transaction wants: of an INVITE from before a restart, or repeated. */
  strayResponse(response: SipMessage, source: Hop): void;
}

export function perform(options: PushContextOptions & { readonly channels: Channels }): Perform {
  const context = pushContext(options);
  const { sendInvite, cancelInvite, stray } = performInvite(context, options.channels);
  return {
    effects: { sendInvite, cancelInvite, ...performDialog(context) },
    strayResponse(response, source) {
      stray(response, source).catch((fault: unknown) => options.onFault('stray response', fault));
    },
  };
}
