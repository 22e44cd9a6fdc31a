/** What a mailbox may ask for. Plain data; an effect's id comes from the event that decided it. */
export type MailboxEffect =
  | {
      name: 'openDelivery';
      /** The delivery is named by the id of the event that opened it. */
      params: { readonly delivery: string };
    }
  | { name: 'startTimer'; params: StartTimer<'expiry' | 'registration' | 'retry'> }
  | { name: 'stopTimer'; params: { readonly name: 'expiry' | 'registration' | 'retry' } };

export interface StartTimer<Name extends string = string> {
  readonly name: Name;
  /** Epoch milliseconds; may be past, then the timer fires at once. */
  readonly dueAt: number;
  /** The event that its expiry submits, with `{ dueAt }` as data. */
  readonly event: string;
}
