/** The registrations of one account or several, brought into the log by one message of the wire. */
import { mailboxStream } from '../../../deferral/account.ts';
import { currentBindings, type Registration } from '../../../deferral/registration.ts';
import type { Input, Outcome } from '../../../engine/input.ts';
import type { Evidence } from '../../../engine/recorded.ts';
import type { Binding } from '../../../machines/mailbox/events.ts';
import { type RegistrationRow, registrationView } from '../../../projections/registrations.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { ObserveOptions } from '../observe-options.ts';

/** A registration that became stale between look-up and decision is looked up again. */
const LOOKS_MAX = 8;

/** What stands in the log now. */
export type Settled =
  | { readonly kind: 'bindings'; readonly bindings: readonly Binding[]; readonly at: number }
  /** The request is older than what is known: nothing changed. */
  | {
      readonly kind: 'refused';
      readonly reason: 'outOfOrder' | 'tooManyContacts';
      readonly bindings: readonly Binding[];
      readonly at: number;
    }
  | { readonly kind: 'unknown' };

/** The wire message that tells of registrations: its octets go with the first event that it makes. */
export interface Witness {
  /** What the next event carries: the octets, or the name of the event that has them. */
  testimony(): Pick<Input, 'octets' | 'evidence' | 'causation'>;
  settled(outcome: Outcome): void;
  /** A message that made no event is in the journal by itself. */
  done(): void;
}

export function witness(
  signals: ObserveOptions['signals'],
  message: SipMessage,
  evidence: Evidence,
): Witness {
  let first: string | undefined;
  let isRecorded = false;
  return {
    testimony: () =>
      first === undefined
        ? { octets: signals.evidence(message.octets, 'sip'), evidence }
        : { causation: first },
    settled(outcome) {
      if (outcome.outcome === 'accepted') first ??= outcome.event.id;
      if (outcome.outcome === 'accepted' || outcome.outcome === 'unknown') isRecorded = true;
    },
    done() {
      if (!isRecorded) signals.received(message.octets, evidence);
    },
  };
}

export interface Submission {
  readonly account: string;
  /** What becomes of the account's registration; `row`: as it is. */
  decide(row: RegistrationRow | undefined, at: number): Registration;
  /** What makes the event one of its kind: the same for a repetition of the message. */
  readonly cause: string;
  readonly witness: Witness;
  /** Called once it is flushed; an effect of the event waits for it. */
  settled(settled: Settled): Promise<void> | void;
}

/** Resolves when `settled` has; rejects when a look-up fails. */
export type SubmitRegistration = (submission: Submission) => Promise<void>;

/**
 * Runs `work` while nothing else of this process changes the registrations of the accounts, so that
 * what was decided upon them is not stale. `work` may submit for them alone.
 */
export type HoldAccounts = (
  accounts: readonly string[],
  work: (submit: SubmitRegistration) => Promise<void>,
) => Promise<void>;

export function accountHolder(
  options: Pick<ObserveOptions, 'submit' | 'views' | 'clock'>,
): HoldAccounts {
  /** When those who hold an account, or wait for it, are done. */
  const last = new Map<string, Promise<void>>();
  return async (accounts, work) => {
    let release = (): void => {};
    const done = new Promise<void>((resolve) => {
      release = resolve;
    });
    // All places are taken at once: so everybody waits for who came before, and nobody in a circle.
    const before = accounts.map((account) => last.get(account));
    for (const account of accounts) last.set(account, done);
    try {
      await Promise.all(before);
      await work((submission) => submitNow(options, submission));
    } finally {
      release();
      for (const account of accounts) if (last.get(account) === done) last.delete(account);
    }
  };
}

async function submitNow(
  { submit, views, clock }: Pick<ObserveOptions, 'submit' | 'views' | 'clock'>,
  { account, decide, cause, witness, settled }: Submission,
): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    const at = clock.now();
    const row = await views.get(registrationView, account);
    const registration = decide(row, at);
    if (registration.kind === 'unchanged') {
      return settled({ kind: 'bindings', bindings: registration.bindings, at });
    }
    if (registration.kind === 'refused') {
      const bindings = currentBindings(row, at);
      return settled({ ...registration, bindings, at });
    }
    const { type, data } = registration;
    const input = {
      ...{ type, at, data },
      // A client may come back with a CSeq of old once its binding is gone: another event.
      cause: `${cause} ${data.asOf}`,
      ...witness.testimony(),
    };
    const outcome = await submit(mailboxStream(account), input, (told) => {
      // Another one was faster: the registration is looked up again.
      if (told.outcome === 'refused') return;
      witness.settled(told);
      if (told.outcome === 'unknown') return settled({ kind: 'unknown' });
      return settled({ kind: 'bindings', bindings: data.bindings, at });
    });
    if (outcome.outcome !== 'refused') return;
  }
  return settled({ kind: 'unknown' });
}
