/** Registrations put together: what arrives about them, and what is asked about them. */
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { Requester } from '../access/requester.ts';
import type { Verdict } from '../answer.ts';
import { evidenceOf, type ObserveOptions } from '../observe-options.ts';
import { observeNotify } from './observe-notify.ts';
import { observeRegister } from './observe-register.ts';
import { type RegSubscriptionsOptions, regSubscriptions } from './reg-subscriptions.ts';
import type { Registration } from './registration.ts';
import { accountHolder } from './submit-registration.ts';

export function openRegistration(
  options: ObserveOptions &
    RegSubscriptionsOptions & {
      /** Whether registrations are subscribed to where the IM tag is merely assumed. */
      readonly regEvent?: boolean;
      requester(request: SipMessage): Requester;
    },
): Registration {
  const { requester, onFault } = options;
  const hold = accountHolder(options);
  const subscriptions = options.regEvent ? regSubscriptions(options) : undefined;

  async function register(
    request: SipMessage,
    source: Hop,
    respond: (verdict: Verdict) => void,
  ): Promise<void> {
    const arrived = { source, evidence: evidenceOf(source), requester: requester(request) };
    const spokenOf = await observeRegister({ ...options, hold }, request, arrived, respond);
    if (spokenOf) await subscriptions?.follow(spokenOf);
  }

  return {
    register,
    ...(subscriptions && {
      notify(request, source, respond) {
        const arrived = { evidence: evidenceOf(source), requester: requester(request) };
        return observeNotify({ ...options, hold, subscriptions }, request, arrived, respond);
      },
    }),
    start() {
      subscriptions?.renew().catch((fault: unknown) => onFault('renewal of subscriptions', fault));
    },
    close: () => subscriptions?.close(),
  };
}
