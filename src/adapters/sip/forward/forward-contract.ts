/** What passes through this server, as those see it who hand it in. */
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import type { Requester } from '../access/requester.ts';
import type { Verdict } from '../answer.ts';

export interface Arrived {
  /** As it may be believed. */
  readonly request: SipMessage;
  readonly source: Hop;
  readonly requester: Requester;
}

export interface Passing {
  /** Whose client it is for, when no Route leads on. */
  readonly account: string;
  /** What all branches of it end with: by it we know the request when it comes back. */
  readonly loop: string;
  /** Whether it was given up, be it while its way was looked for: it is tried nowhere else then. */
  isOff?(): boolean;
}

export interface ForwardSettings {
  /**
   * Without a final answer in this time the message counts as undelivered. Together with the 20 s
   * that an append may take it stays below 64*T1: later nobody hears the answer (RFC 4320 §4.2).
   */
  readonly seconds: number;
  /** Final statuses that say: not there. */
  readonly deferOn: ReadonlySet<number>;
}

export type Forwarded =
  /** The answer is the sender's; `octets` as it goes there, absent when it cannot go as it is. */
  | {
      readonly kind: 'answered';
      readonly response: SipMessage;
      readonly octets: Uint8Array | undefined;
    }
  /** 408: nobody answered; 503: nobody could be reached; 480: no way is known. */
  | { readonly kind: 'undelivered'; readonly status: number };

/** `onLate`: a 2xx came after the message counted as undelivered. */
export type ForwardMessage = (
  arrived: Arrived,
  passing: Passing,
  onLate: () => void,
) => Promise<Forwarded>;

/** What became of a MESSAGE that was passed on, or was to be, and the status that decided it. */
export interface ForwardedMessage {
  /**
   * `relayed`: its sender has the client's answer. `deferred`: it is kept. `looped`: the core handed
   * our own back. `withdrawn`: a late 2xx took it out of the mailbox; `twice`: it came too late.
   */
  readonly outcome: 'relayed' | 'deferred' | 'looped' | 'withdrawn' | 'twice';
  readonly status: number;
}

export interface Relaying {
  /** Whose client it is for. */
  readonly account: string;
  /** Answers where there is nothing to pass back. */
  respond(verdict: Verdict): void;
}

export interface RelayInvite {
  /** Whether the INVITE is a push on its way to the client. */
  isPush(arrived: Arrived): boolean;
  invite(transaction: ServerTransaction, arrived: Arrived, to: Relaying): Promise<void>;
  /** False: the INVITE is not one that passes through. */
  cancel(invite: ServerTransaction, cancel: SipMessage): boolean;
}

export interface Forwarding {
  readonly relay: RelayInvite;
  /** Absent: every MESSAGE is deferred. */
  readonly forwardMessage?: ForwardMessage;
  /** Counts as under way until it is done. */
  during<Result>(work: Promise<Result>): Promise<Result>;
  /** How many messages wait for a client: they are no load. */
  waiting(): number;
  /** So many wait that further ones are deferred at once. */
  isFull(): boolean;
  /** Resolves when nothing is under way, or after `withinMs`. */
  drain(withinMs: number): Promise<void>;
}
