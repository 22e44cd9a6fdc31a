/** What the engine put together needs of the outside, to be given when it starts. */
import type { EffectHandler, Identifiers } from '../engine/ports.ts';
import type { Channels } from './channel.ts';
import type { DepositChannels } from './deposit-channel.ts';

/** What the SIP side performs for pushes; all else is the engine's own. */
export type SipEffects = Record<
  'sendInvite' | 'cancelInvite' | 'sendPrack' | 'sendAck' | 'sendBye' | 'refreshSession',
  EffectHandler
>;

/** What the SIP side performs for senders in Large Message mode. */
export type DepositSipEffects = Record<'answerInvite' | 'sendBye', EffectHandler>;

/** Large Message mode as a recipient. */
export interface DepositTransports {
  readonly sip: DepositSipEffects;
  readonly channels: DepositChannels;
  readonly identifiers: Pick<Identifiers, 'messageId'>;
  /** Our 2xx to the INVITE of a session of this process, as it was on the wire. */
  answerOf(deposit: string): Uint8Array | undefined;
  /** The session has ended: nothing more is asked for it but what was complete. */
  closed(deposit: string): void;
}

export interface Transports {
  readonly sip: SipEffects;
  readonly channels: Channels;
  /** Absent: nothing is taken but SIP MESSAGEs. */
  readonly deposits?: DepositTransports;
}
