import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { Verdict } from '../answer.ts';

type Observe = (
  request: SipMessage,
  source: Hop,
  respond: (verdict: Verdict) => void,
) => Promise<void>;

/** What arrives about registrations, and what is asked about them. */
export interface Registration {
  readonly register: Observe;
  /** Absent: nothing is subscribed to, and a NOTIFY is of no use here. */
  readonly notify?: Observe;
  /** From now on registered users are asked about. */
  start(): void;
  close(): void;
}
