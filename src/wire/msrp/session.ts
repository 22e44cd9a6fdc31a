/**
 * One MSRP session, sans I/O: frames and the owner's calls go in, frames and facts come out
 * (RFC 4975). Bodies stay views of what the connection received.
 *
 * The active side is told `connected` and must at once send a SEND (§5.4); the passive side waits
 * for the peer's first SEND before its own first one.
 */
import type { FrameEvent, MsrpRequest } from './frame.ts';
import { type IncomingMessage, msrpReceiver, type ReceiverOptions } from './receiver.ts';
import {
  msrpSender,
  type OutgoingMessage,
  type PushOutcome,
  type SenderOptions,
} from './sender.ts';

export type { IncomingMessage, OutgoingMessage, PushOutcome };

/** What a session reports; each outgoing message has exactly one `outcome`. */
export type SessionEvent =
  /** Messages can pass: connected (active) or the peer's first SEND is here (passive). */
  | { readonly kind: 'bound' }
  | { readonly kind: 'outcome'; readonly key: string; readonly outcome: PushOutcome }
  /** A failure REPORT after the acknowledgement. */
  | { readonly kind: 'takenBack'; readonly key: string; readonly status: number }
  /** To be answered by `answer(tid, status)`, for instance once it is stored. */
  | { readonly kind: 'completed'; readonly tid: string; readonly message: IncomingMessage }
  /** The peer gave up an incoming message. */
  | { readonly kind: 'aborted'; readonly messageId: string }
  /** Something that the peer sent was not accepted. */
  | { readonly kind: 'refused'; readonly reason: string; readonly section: string }
  /** The session is over and the connection of no more use. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface SessionOptions
  extends Omit<SenderOptions, 'outcome' | 'takenBack' | 'lost'>,
    Pick<ReceiverOptions, 'limits'> {
  /** `active`: we connect. */
  readonly role: 'active' | 'passive';
  emit(event: SessionEvent): void;
}

export interface MsrpSession {
  readonly localUri: string;
  readonly state: 'waiting' | 'bound' | 'ended';
  /** Completed messages that wait for `answer`. */
  readonly unanswered: number;
  /** The active side's transport is up. */
  connected(): void;
  /** The next event of the connection's framer. */
  receive(event: FrameEvent): void;
  send(message: OutgoingMessage): void;
  answer(tid: string, status: number): void;
  /** `write` said `false` and there is room again. */
  drained(): void;
  /** Ends from our side: the message under way is given up with `#`. */
  abort(reason: string): void;
  /** The connection is gone. */
  disconnected(reason: string): void;
}

export function msrpSession(options: SessionOptions): MsrpSession {
  const { emit, role, localUri } = options;
  let state: MsrpSession['state'] = 'waiting';
  let wrote = false;

  const write = (parts: readonly Uint8Array[]): boolean => {
    wrote = true;
    return options.write(parts);
  };
  const refused = (reason: string, section: string) => emit({ kind: 'refused', reason, section });
  const sender = msrpSender({
    ...options,
    write,
    outcome: (key, outcome) => emit({ kind: 'outcome', key, outcome }),
    takenBack: (key, status) => emit({ kind: 'takenBack', key, status }),
    lost: (reason) => {
      state = 'ended';
      emit({ kind: 'lost', reason });
    },
  });
  const receiver = msrpReceiver({
    ...options,
    write,
    completed: (tid, message) => emit({ kind: 'completed', tid, message }),
    aborted: (messageId) => emit({ kind: 'aborted', messageId }),
    refused,
  });

  function request(frame: MsrpRequest): void {
    if (!receiver.owns(frame)) return;
    const binds = state === 'waiting' && frame.method === 'SEND';
    if (binds) bound();
    receiver.request(frame);
    if (binds) sender.open();
  }

  function bound(): void {
    state = 'bound';
    emit({ kind: 'bound' });
  }

  function receive(event: FrameEvent): void {
    if (state === 'ended') {
      refused('the session has ended', 'RFC 4975 §5.4');
      return;
    }
    if (event.kind === 'refusal') {
      receiver.refusal(event);
      if (event.fatal) lose(event.reason);
      return;
    }
    const { frame } = event;
    if (frame.kind === 'response') {
      if (!sender.response(frame)) refused('a response to no open transaction', 'RFC 4975 §7.2');
    } else if (frame.method === 'REPORT') {
      if (!sender.report(frame)) refused('a REPORT on no message of ours', 'RFC 4975 §7.1.2');
    } else request(frame);
  }

  function lose(reason: string): void {
    if (state === 'ended') return;
    state = 'ended';
    sender.end(reason);
    emit({ kind: 'lost', reason });
  }

  return {
    localUri,
    get state() {
      return state;
    },
    get unanswered() {
      return receiver.unanswered;
    },
    connected() {
      if (role !== 'active' || state !== 'waiting') return;
      wrote = false;
      bound();
      sender.open();
      if (!wrote) sender.bind();
    },
    receive,
    send: sender.send,
    answer: receiver.answer,
    drained: sender.drained,
    abort(reason) {
      if (state === 'ended') return;
      state = 'ended';
      sender.abort(reason);
      emit({ kind: 'lost', reason });
    },
    disconnected: lose,
  };
}
