/** A request on its way, over one hop after the other until one of them answers (RFC 3263 §4.3). */
import type { Signals } from '../../../deferral/signals.ts';
import type { ClientTransaction } from '../../../wire/sip/client-transaction.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { TransactionLayer } from '../../../wire/sip/transaction.ts';
import { evidenceOf } from '../observe-options.ts';

/** One try: a client transaction of its own, with a branch of its own. */
export interface Attempt {
  readonly octets: Uint8Array;
  readonly branch: string;
  readonly hop: Hop;
  readonly transaction: ClientTransaction;
}

export interface Outgoing {
  readonly method: string;
  /** In the order of preference; at least one. */
  readonly hops: readonly Hop[];
  /** The request for this hop: Via and Contact name our end of it. `attempt` counts from 0. */
  render(hop: Hop, attempt: number): { readonly octets: Uint8Array; readonly branch: string };
}

export interface OutgoingCallbacks {
  /** A try leaves; CANCEL is for the last one. */
  onAttempt?(attempt: Attempt): void;
  onProvisional(response: SipMessage, hop: Hop): void;
  onFinal(response: SipMessage, hop: Hop): void;
  onTimeout(): void;
  /** The last hop could not be reached either. */
  onUnreachable(reason: string): void;
  onCancelSent?(octets: Uint8Array, hop: Hop): void;
}

/** Sends it and records it; what comes back is the caller's to record. */
export function sendRequest(
  layer: TransactionLayer,
  signals: Signals,
  outgoing: Outgoing,
  callbacks: OutgoingCallbacks,
): void {
  const [hop] = outgoing.hops;
  if (!hop) {
    callbacks.onUnreachable('no way is known');
    return;
  }
  const { octets, branch } = outgoing.render(hop, 0);
  signals.sent(octets, evidenceOf(hop));
  const transaction = layer.request({ octets, method: outgoing.method, branch }, hop, {
    onProvisional: (response) => callbacks.onProvisional(response, hop),
    onFinal: (response) => callbacks.onFinal(response, hop),
    onTimeout: callbacks.onTimeout,
    onUnreachable: callbacks.onUnreachable,
    onCancelSent: (cancel) => callbacks.onCancelSent?.(cancel, hop),
  });
  callbacks.onAttempt?.({ octets, branch, hop, transaction });
}
