/** A MESSAGE for a subscriber (RFC 3428 §7): what becomes of it, and what its sender is told. */
import { depositOf } from '../../deferral/deposit.ts';
import type { ServerTransaction } from '../../wire/sip/server-transaction.ts';
import { depositVerdict, type Verdict } from './answer.ts';
import { evidenceOf, type ObserveContext } from './observe-options.ts';

export type ObserveMessage = (
  transaction: ServerTransaction,
  account: string,
  respond: (verdict: Verdict) => void,
) => Promise<void>;

export function observeMessage(options: ObserveContext): ObserveMessage {
  const { clock, digest, identifiers, signals } = options;

  return async (transaction, account, respond) => {
    const { request, source } = transaction;
    const evidence = evidenceOf(source);
    const stamp = { account, at: clock.now(), id: identifiers.messageId(), digest, evidence };
    const deposit = depositOf(request, stamp);
    if (deposit.kind === 'refused') {
      signals.received(request.octets, evidence);
      return respond({ status: deposit.reason === 'tooLarge' ? 413 : 480 });
    }
    await options.submit(deposit.stream, deposit.input, (outcome) => {
      if (outcome.outcome !== 'accepted') signals.received(request.octets, evidence);
      respond(depositVerdict(outcome));
    });
  };
}
