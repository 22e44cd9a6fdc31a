/** Who is registered from where, as the last registration event of each account said. */
import type { Projection, View } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { Binding, MailboxEvent, RegistrationData } from '../machines/mailbox/events.ts';
import { fold } from './change.ts';

/** Key: account. Bindings are listed until the next event: readers pass over the expired ones. */
export interface RegistrationRow {
  readonly via: RegistrationData['via'];
  readonly bindings: readonly Binding[];
  /** When the last binding with the IM tag expires; null: none. */
  readonly expiresAt: number | null;
  /** Registration events so far: `asOf` of the next one. */
  readonly events: number;
}

export const registrationView: View<RegistrationRow> = { name: 'registrations' };

export const registrations: Projection = {
  name: 'registrations',
  version: 1,
  views: [registrationView.name],
  project(event) {
    const { category, id: account } = parseStreamName(event.stream);
    if (category !== 'mailbox') return [];
    const fact = event as MailboxEvent & Recorded;
    switch (fact.type) {
      case 'SubscriberRegistered':
      case 'SubscriberDeregistered': {
        const { via, bindings, expiresAt } = fact.data;
        return [
          fold(registrationView, account, (row) => ({
            via,
            bindings,
            expiresAt,
            events: (row?.events ?? 0) + 1,
          })),
        ];
      }
      case 'RegistrationExpired':
        return [fold(registrationView, account, (row) => row && { ...row, expiresAt: null })];
      default:
        return [];
    }
  },
};
