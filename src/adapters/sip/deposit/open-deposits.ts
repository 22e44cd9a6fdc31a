/** Large Message mode as a recipient, put together: what arrives, and what is asked for. */
import type { DepositTransports } from '../../../deferral/transports.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import { answers } from '../answer.ts';
import type { Router } from '../routing/route.ts';
import type { SendRequest } from '../routing/send-request.ts';
import { type DepositContextOptions, depositContext } from './deposit-context.ts';
import { type ObserveInvite, observeInvite } from './observe-invite.ts';
import { observeSender } from './observe-sender.ts';
import { performDeposit } from './perform-deposit.ts';

export interface Deposits {
  readonly invite: ObserveInvite;
  /** `false`: the request is in no dialog of a deposit. */
  request(transaction: ServerTransaction): Promise<boolean>;
  /** `false`: it is none that a deposit waits for, and is not recorded. */
  acknowledged(ack: SipMessage): boolean;
  readonly transports: DepositTransports;
  close(): void;
}

export function openDeposits(
  options: DepositContextOptions,
  routing: { readonly router: Pick<Router, 'toUri'>; readonly sendRequest: SendRequest },
): Deposits {
  const context = depositContext(
    options,
    answers(options.identity, () => options.clock.now()),
  );
  const sender = observeSender(context);
  const performed = performDeposit(context, routing);
  return {
    invite: observeInvite(context),
    request: sender.request,
    acknowledged: sender.acknowledged,
    transports: {
      sip: performed.effects,
      channels: options.deposits,
      identifiers: options.identifiers,
      answerOf: performed.answerOf,
      closed: performed.closed,
    },
    close: sender.close,
  };
}
