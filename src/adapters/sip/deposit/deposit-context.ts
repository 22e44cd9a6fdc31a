/** What both sides of a deposit's SIP need, and what this process knows of its open sessions. */
import { depositStream } from '../../../deferral/account.ts';
import type { DepositChannels } from '../../../deferral/deposit-channel.ts';
import type { Outcome } from '../../../engine/input.ts';
import type { MsrpMedia } from '../../../wire/sdp/msrp-media.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import type { Headers, Verdict } from '../answer.ts';
import { type AwaitedAcks, awaitedAcks } from '../dialog/awaited-acks.ts';
import { evidenceOf, type ObserveContext } from '../observe-options.ts';
import type { OfferedEnd } from './judge-invite.ts';

/** Bounds of Large Message mode as a recipient. */
export interface LargeSettings {
  readonly acceptUntagged: boolean;
  readonly lateOffer: boolean;
  /** `large.maxBytes`: octets of one message. */
  readonly bytesMax: number;
}

export interface DepositContextOptions extends ObserveContext {
  readonly large: LargeSettings;
  readonly deposits: DepositChannels;
  /** MSRP over TLS is listened for. */
  readonly msrpTls: boolean;
}

/** A session that was offered to this process. */
export interface OpenSession {
  readonly transaction: ServerTransaction;
  readonly end: OfferedEnd | undefined;
  readonly media: MsrpMedia | undefined;
  readonly timerHeaders: Headers;
  /** Account, Call-ID, From-tag and CSeq of the INVITE: the same for every copy of it. */
  readonly merge: string;
  /** Our description, once it was sent. */
  description?: Uint8Array;
  /** Our 2xx as it was on the wire. */
  answer?: Uint8Array;
  /** Path of the sender that answered an offer of ours. */
  path?: readonly string[];
}

export interface DepositContext extends DepositContextOptions {
  /** Those that have not ended. */
  readonly sessions: Map<string, OpenSession>;
  readonly acks: AwaitedAcks;
  /** Answers and records it; `undefined`: it came too late. */
  respond(transaction: ServerTransaction, verdict: Verdict): Uint8Array | undefined;
  /** Submits what a request of the sender says; one that made no event is in the journal by itself. */
  submitted(deposit: string, fact: Fact, told: ServerTransaction): Promise<Outcome['outcome']>;
  /** The same for what is told once. */
  tellFact(deposit: string, fact: Fact, ack?: Told): Promise<void>;
}

export interface Fact {
  readonly type: string;
  readonly data: unknown;
  readonly cause: string;
}

export interface Told {
  readonly message: SipMessage;
  readonly source: ServerTransaction['source'];
}

/** The dialog is named by the To-tag of our answers; the deposit is, too. */
const TAG = /^im-([0-9a-f]{24})$/;

export function depositOfTag(tag: string): string | undefined {
  return TAG.exec(tag)?.[1];
}

export function depositContext(
  options: DepositContextOptions,
  render: (
    request: SipMessage,
    source: ServerTransaction['source'],
    verdict: Verdict,
  ) => Uint8Array,
): DepositContext {
  const { clock, signals, submit, tell } = options;
  return {
    ...options,
    sessions: new Map(),
    acks: awaitedAcks(clock),
    respond(transaction, verdict) {
      const { request, source } = transaction;
      const tagged = { toTag: options.tagFor(request), ...verdict };
      const octets = render(request, source, tagged);
      if (!transaction.respond(octets, verdict.status)) return undefined;
      signals.sent(octets, evidenceOf(source));
      return octets;
    },
    async submitted(deposit, fact, { request, source }) {
      const evidence = evidenceOf(source);
      const input = { ...fact, at: clock.now(), octets: request.octets, evidence };
      const { outcome } = await submit(depositStream(deposit), input);
      if (outcome !== 'accepted') signals.received(request.octets, evidence);
      return outcome;
    },
    async tellFact(deposit, fact, told) {
      const evidence = told && {
        octets: signals.evidence(told.message.octets, 'sip'),
        evidence: evidenceOf(told.source),
      };
      const input = { ...fact, at: clock.now(), ...evidence };
      const { outcome } = await tell(depositStream(deposit), input);
      if (told && outcome !== 'accepted') {
        signals.received(told.message.octets, evidenceOf(told.source));
      }
    },
  };
}
