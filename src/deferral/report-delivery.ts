/** How a delivery comes home: poison messages are parked first, then the mailbox learns the end. */
import type { Outcome, Submit } from '../engine/input.ts';
import type { Clock, Effect, Views } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DeliveryReport } from '../machines/delivery/effects.ts';
import { under } from '../projections/change.ts';
import { attemptView, messageView } from '../projections/waiting-messages.ts';
import { mailboxStream } from './account.ts';

/** `push.maxAttempts`: failed pushes of one message before it is parked. */
export const PUSH_ATTEMPTS_MAX = 5;

export interface ReportOptions {
  readonly submit: Submit;
  readonly views: Views;
  readonly clock: Clock;
}

/** Performs `reportDelivery`; repeated after a restart, and the mailbox ignores what it knows. */
export async function reportDelivery(options: ReportOptions, effect: Effect): Promise<Outcome> {
  const { submit, clock } = options;
  const delivery = parseStreamName(effect.event.stream).id;
  const { account, ...report } = effect.params as DeliveryReport;
  await parkPoison(options, effect, account, delivery);
  return submit(mailboxStream(account), {
    type: 'DeliveryEnded',
    at: clock.now(),
    data: { delivery, ...report },
    cause: `ended ${delivery}`,
    causation: effect.id,
  });
}

async function parkPoison(
  { submit, views, clock }: ReportOptions,
  effect: Effect,
  account: string,
  delivery: string,
): Promise<void> {
  for (const [at] of await views.range(attemptView, under(account))) {
    const id = at.slice(at.lastIndexOf(' ') + 1);
    const row = await views.get(messageView, id);
    // The message's own count: an acknowledgement that is taken back each time adds up, too.
    if (row?.state !== 'waiting' || row.attempts < PUSH_ATTEMPTS_MAX) continue;
    const { revision, bytes, expiresAt, source } = row;
    await submit(mailboxStream(account), {
      type: 'MessageParked',
      at: clock.now(),
      data: {
        id,
        revision,
        from: 'waiting',
        bytes,
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(source === undefined ? {} : { source }),
        delivery,
      },
      cause: `parked ${id} ${delivery}`,
      causation: effect.id,
    });
  }
}
