/** The push that a request of the client belongs to, by the tags of its dialog (RFC 3261 §12.2.2). */
import { deliveryStream } from '../../../deferral/account.ts';
import type { PushDialog } from '../../../machines/delivery/effects.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import type { ObserveContext } from '../observe-options.ts';

/** What the log says of the push at this moment. */
export interface PushSession {
  readonly delivery: string;
  /** `early`: no 2xx to our INVITE is in the log yet; `over`: our BYE was decided. */
  readonly phase: 'early' | 'confirmed' | 'over';
  /** Contact URI of the client; `''`: none was usable. */
  readonly remoteTarget: string;
  /** The session timer in force; `null`: none. */
  readonly sessionExpiresSeconds: number | null;
  /** The session timer is ours to refresh. */
  readonly refreshes: boolean;
  /** Present: the messages are sent as fragments alone. */
  readonly encapsulation: 'sipfrag' | null;
}

interface State extends Omit<PushSession, 'delivery' | 'phase' | 'remoteTarget'> {
  readonly dialog: PushDialog | null;
}

/** Finds it; `undefined`: the dialog is not ours, never was, or its delivery has ended. */
export function sessionFinder({ identity, runner }: Pick<ObserveContext, 'identity' | 'runner'>) {
  return async (request: SipMessage): Promise<PushSession | undefined> => {
    const delivery = identity.deliveryOf(request.first('call-id') ?? '');
    if (delivery === undefined) return undefined;
    const ours = parseNameAddr(request.first('to') ?? '')?.tag;
    const theirs = parseNameAddr(request.first('from') ?? '')?.tag;
    if (ours !== identity.fromTagOf(delivery)) return undefined;
    const { value, context } = await runner.state(deliveryStream(delivery));
    const { dialog, sessionExpiresSeconds, refreshes, encapsulation } = context as State;
    const remoteTarget = dialog?.remoteTarget ?? '';
    const facts = { delivery, remoteTarget, sessionExpiresSeconds, refreshes, encapsulation };
    // The 2xx may be on its way into the log: what came behind it is decided on top of it.
    if (value === 'inviting' || value === 'cancelling') return { ...facts, phase: 'early' };
    if (dialog?.toTag !== theirs) return undefined;
    if (value === 'pushing') return { ...facts, phase: 'confirmed' };
    return value === 'bye' ? { ...facts, phase: 'over' } : undefined;
  };
}
