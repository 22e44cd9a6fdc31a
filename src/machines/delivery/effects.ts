import type { StartTimer } from '../mailbox/effects.ts';
import type { DeliveryEndedData } from '../mailbox/events.ts';

/** The confirmed (or surplus) dialog that a request of ours belongs to. */
export interface PushDialog {
  readonly toTag: string;
  readonly remoteTarget: string;
  readonly routeSet: readonly string[];
}

/** What the peer's answer said about its end of the MSRP session. */
export interface ChannelEnd {
  readonly path: readonly string[];
  readonly setup: 'active' | 'passive';
  readonly maxSize?: number;
}

/** CSeq number of the INVITE that counts; absent: 1. */
export interface InviteCount {
  readonly inviteCseq?: number;
}

export type DeliveryTimer = 'invite' | 'grace' | 'refresh' | 'duration';

/** What the mailbox will be told, and which mailbox. */
export interface DeliveryReport extends Omit<DeliveryEndedData, 'delivery'> {
  readonly account: string;
}

/** What a delivery may ask for. Plain data; an effect's id comes from the event that decided it. */
export type DeliveryEffect =
  | {
      name: 'sendInvite';
      params: InviteCount & {
        readonly account: string;
        /** Present: the interval that the client asked for by 422 (RFC 4028 §7.4). */
        readonly minSeSeconds?: number;
      };
    }
  /** Sends nothing while no provisional response was seen (RFC 3261 §9.1, T-22). */
  | {
      name: 'cancelInvite';
      params: InviteCount & { readonly account: string; readonly progressed: boolean };
    }
  | {
      name: 'sendAck';
      params: InviteCount & { readonly account: string; readonly dialog: PushDialog };
    }
  | { name: 'openChannel'; params: ChannelEnd }
  | {
      name: 'pushMessages';
      params: {
        readonly account: string;
        readonly through: number;
        /** `a=max-size` of the client, in octets of a body. */
        readonly maxSize?: number;
        readonly encapsulation?: 'sipfrag';
      };
    }
  | { name: 'closeChannel'; params: Record<string, never> }
  | {
      name: 'sendBye';
      params: InviteCount & {
        readonly account: string;
        readonly dialog: PushDialog;
        readonly cseq: number;
        /** A dialog that is not kept (REF-3261-1): its answer changes nothing. */
        readonly surplus: boolean;
        /** After a restart the peer may still wait for the ACK: send it again first. */
        readonly ackFirst: boolean;
      };
    }
  | {
      name: 'refreshSession';
      params: {
        readonly account: string;
        readonly dialog: PushDialog;
        readonly cseq: number;
        readonly sessionExpiresSeconds: number;
      };
    }
  | { name: 'reportDelivery'; params: DeliveryReport }
  | { name: 'startTimer'; params: StartTimer<DeliveryTimer> }
  | { name: 'stopTimer'; params: { readonly name: DeliveryTimer } };
