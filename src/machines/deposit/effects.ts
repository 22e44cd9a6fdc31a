import type { StartTimer } from '../mailbox/effects.ts';
import type { DepositDialog, MessageCompletedData, SenderEnd } from './events.ts';

export type DepositTimer = 'grace' | 'duration';

/** What a deposit may ask for. Plain data; an effect's id comes from the event that decided it. */
export type DepositEffect =
  /** Connects, or awaits the sender; before the 2xx leaves, that invites it. */
  | { name: 'openChannel'; params: SenderEnd }
  | {
      name: 'answerInvite';
      params: { readonly account: string; readonly offers: boolean };
    }
  | {
      name: 'deferMessage';
      params: MessageCompletedData & {
        /** The session goes on: nothing of it is shown to anybody before it has ended. */
        readonly held: boolean;
      };
    }
  /** The session has ended: what it brought may be pushed. */
  | { name: 'annotateMessage'; params: { readonly account: string } }
  | { name: 'closeChannel'; params: Record<string, never> }
  | {
      name: 'sendBye';
      params: {
        readonly account: string;
        readonly dialog: DepositDialog;
        readonly cseq: number;
      };
    }
  | { name: 'startTimer'; params: StartTimer<DepositTimer> }
  | { name: 'stopTimer'; params: { readonly name: DepositTimer } };
