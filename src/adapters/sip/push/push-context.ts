/** What both halves of the push need: the engine to tell, the wire to write to, and the ACKs sent. */
import { deliveryStream } from '../../../deferral/account.ts';
import type { Channels } from '../../../deferral/channel.ts';
import type { Outcome, Submit } from '../../../engine/input.ts';
import type { DeliveryEffect } from '../../../machines/delivery/effects.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { TransactionLayer } from '../../../wire/sip/transaction.ts';
import type { ObserveOptions } from '../observe-options.ts';
import { evidenceOf } from '../observe-options.ts';
import type { Router } from '../routing/route.ts';
import type { SendRequest } from '../routing/send-request.ts';
import { type ProofOptions, pushCredentials } from './push-credentials.ts';
import { pushDescriptions } from './push-description.ts';

export interface PushContextOptions
  extends Pick<ObserveOptions, 'runner' | 'clock' | 'signals' | 'identity' | 'identifiers'> {
  /** Facts are told once, so they are submitted until the log has taken them. */
  readonly tell: Submit;
  readonly router: Router;
  readonly sendRequest: SendRequest;
  readonly channels: Channels;
  /** As whom a core is answered that challenges us; absent: as nobody. */
  readonly proof?: ProofOptions;
  /** Whether a peer is the core. */
  isTrusted(hop: Hop): boolean;
  /** Resolves when no 2xx of ours waits for its ACK in the dialog (RFC 3261 §14.1, §15). */
  settled(delivery: string): Promise<void>;
  /** Set before the first effect is performed. */
  layer(): TransactionLayer;
  /** Outside of transactions: ACKs. */
  send(octets: Uint8Array, hop: Hop): void;
  onFault(where: string, fault: unknown): void;
}

/** The message that told a fact, and the way that it came. */
export interface Told {
  readonly message: SipMessage;
  readonly hop: Hop;
}

export type Params<Name extends DeliveryEffect['name']> = Extract<
  DeliveryEffect,
  { name: Name }
>['params'];

/** 0: it is no response. */
export function statusOf(message: SipMessage): number {
  return message.start.kind === 'response' ? message.start.status : 0;
}

export function pushContext(options: PushContextOptions) {
  const { tell, clock, signals, runner } = options;
  const descriptions = pushDescriptions(clock.now);
  return {
    ...options,
    descriptions,
    credentials: pushCredentials(options),
    /** Deliveries whose re-INVITE has no final response yet: an offer stands (RFC 3264 §4). */
    offering: new Set<string>(),
    /** Forgets the description of a delivery that has ended. */
    async forgetIfEnded(delivery: string): Promise<void> {
      const { value } = await runner.state(deliveryStream(delivery));
      if (value === 'ended') descriptions.forget(delivery);
    },
    /** ACKs sent, by dialog: a repeated 2xx gets the same octets again (RFC 3261 §13.2.2.4). */
    acks: new Map<string, { readonly octets: Uint8Array; readonly hop: Hop } | 'awaited'>(),
    /** Submits what happened to a delivery; `undefined` when the engine failed, which is told. */
    async fact(
      delivery: string,
      type: string,
      data: unknown,
      cause: string,
      told?: Told,
    ): Promise<Outcome | undefined> {
      const evidence = told && {
        octets: signals.evidence(told.message.octets, 'sip'),
        evidence: evidenceOf(told.hop),
      };
      const input = { type, at: clock.now(), data, cause, ...evidence };
      const outcome = await tell(deliveryStream(delivery), input).catch((fault: unknown) => {
        options.onFault(type, fault);
        return undefined;
      });
      // A signal that made no event is in the journal by itself.
      if (told && outcome?.outcome !== 'accepted') {
        signals.received(told.message.octets, evidenceOf(told.hop));
      }
      return outcome;
    },
    /** Sends what belongs to no transaction, and records it. */
    say(octets: Uint8Array, hop: Hop): void {
      signals.sent(octets, evidenceOf(hop));
      options.send(octets, hop);
    },
  };
}

export type PushContext = ReturnType<typeof pushContext>;
