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

/** Challenges of one kind that a request answers, and for the how manieth time (`nc`). */
export interface Answered {
  /** Values of WWW-Authenticate or Proxy-Authenticate. */
  readonly lines: readonly string[];
  readonly nc: number;
}

/** Who challenged us (RFC 3261 §22.2, §22.3). */
export interface Credentials {
  readonly server?: Answered;
  readonly proxy?: Answered;
}

/** What a request proves who we are by; absent: nobody asked. */
export interface Proven {
  readonly credentials?: Credentials;
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
      params: InviteCount &
        Proven & {
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
  /** Its answer changes nothing: what matters is the next response to the INVITE. */
  | {
      name: 'sendPrack';
      params: InviteCount &
        Proven & {
          readonly account: string;
          /** The early one. */
          readonly dialog: PushDialog;
          readonly cseq: number;
          readonly rseq: number;
        };
    }
  /** `credentials`: those of the INVITE, which the ACK repeats (RFC 3261 §22.1). */
  | {
      name: 'sendAck';
      params: InviteCount & Proven & { readonly account: string; readonly dialog: PushDialog };
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
        /** The client takes no Large message. */
        readonly refusesLarge?: true;
      };
    }
  | { name: 'closeChannel'; params: Record<string, never> }
  | {
      name: 'sendBye';
      params: InviteCount &
        Proven & {
          readonly account: string;
          readonly dialog: PushDialog;
          readonly cseq: number;
          /** A dialog that is not kept (REF-3261-1): its answer changes nothing. */
          readonly surplus: boolean;
          /** After a restart the peer may still wait for the ACK: send it again first. */
          readonly ackFirst: boolean;
          /** Of that ACK. */
          readonly inviteCredentials?: Credentials;
        };
    }
  | {
      name: 'refreshSession';
      params: Proven & {
        readonly account: string;
        readonly dialog: PushDialog;
        readonly cseq: number;
        /** INVITE, with the description of the session, where UPDATE is not allowed. */
        readonly method: 'UPDATE' | 'INVITE';
        readonly sessionExpiresSeconds: number;
        /** The largest that a 422 asked for (RFC 4028 §7.4). */
        readonly minSeSeconds?: number;
        /** How the messages go out: another form would be another session. */
        readonly encapsulation?: 'sipfrag';
      };
    }
  | { name: 'reportDelivery'; params: DeliveryReport }
  | { name: 'startTimer'; params: StartTimer<DeliveryTimer> }
  | { name: 'stopTimer'; params: { readonly name: DeliveryTimer } };
