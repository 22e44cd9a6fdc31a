/**
 * One MSRP session, sans I/O: frames and the owner's calls go in, frames and facts come out
 * (RFC 4975). Messages are streamed: out of a source, and into a sink of the owner's.
 *
 * The active side is told `connected` and must at once send a SEND (§5.4); the passive side waits
 * for the peer's first SEND before its own first one.
 */
import type { FrameEvent, MsrpFrame, MsrpRequest, StreamEvent } from './frame.ts';
import type { RequestHead } from './head.ts';
import type { AbortedMessage, IncomingHead, IncomingMessage } from './incoming.ts';
import type { MessageSink } from './message-sink.ts';
import { msrpReceiver, type ReceiverOptions } from './receiver.ts';
import {
  msrpSender,
  type OutgoingMessage,
  type PushOutcome,
  type SenderOptions,
} from './sender.ts';
import { namesSession, parseMsrpUri } from './uri.ts';

export type {
  AbortedMessage,
  IncomingHead,
  IncomingMessage,
  MessageSink,
  OutgoingMessage,
  PushOutcome,
};

/** Who has no place for a message does not take it. */
const FORBIDDEN = 403;

/** What a session reports; each outgoing message has exactly one `outcome`. */
export type SessionEvent<Sink = MessageSink> =
  /** Messages can pass: connected (active) or the peer's first SEND is here (passive). */
  | { readonly kind: 'bound' }
  | { readonly kind: 'outcome'; readonly key: string; readonly outcome: PushOutcome }
  /** A failure REPORT after the acknowledgement. */
  | { readonly kind: 'takenBack'; readonly key: string; readonly status: number }
  /** To be answered by `answer(tid, status)`, for instance once it is stored. */
  | { readonly kind: 'completed'; readonly tid: string; readonly message: IncomingMessage<Sink> }
  /** Of each message that had begun and will never be complete; its sink knows. */
  | ({ readonly kind: 'aborted' } & AbortedMessage)
  /** Something that the peer sent was not accepted. */
  | { readonly kind: 'refused'; readonly reason: string; readonly section: string }
  /** The session is over and the connection of no more use. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface SessionOptions<Sink extends MessageSink = MessageSink>
  extends Omit<SenderOptions, 'outcome' | 'takenBack' | 'lost'>,
    Pick<ReceiverOptions<Sink>, 'limits'> {
  /** `active`: we connect. */
  readonly role: 'active' | 'passive';
  /**
   * Where a new message is to go, or the status to refuse it with, such as 403, 413 or 415. Absent:
   * nothing is taken, 403.
   */
  begin?(head: IncomingHead): Sink | number;
  emit(event: SessionEvent<Sink>): void;
}

export interface MsrpSession {
  readonly localUri: string;
  readonly state: 'waiting' | 'bound' | 'ended';
  /** Requests that wait for `answer`. */
  readonly unanswered: number;
  /** Octets in sinks that are not worked off yet. */
  readonly unwrittenBytes: number;
  /** The active side's transport is up. */
  connected(): void;
  /** The next event of the connection's framer. */
  receive(event: FrameEvent): void;
  send(message: OutgoingMessage): void;
  answer(tid: string, status: number): void;
  /** A message that was answered 200 is not there after all: a failure REPORT, if one is wanted. */
  takeBack(messageId: string, status: number): void;
  /** `write` or `ready` said `false`, and there is room again. */
  drained(): void;
  /** Ends from our side: the message under way is given up with `#`. */
  abort(reason: string): void;
  /** The connection is gone. */
  disconnected(reason: string): void;
}

export function msrpSession<Sink extends MessageSink = MessageSink>(
  options: SessionOptions<Sink>,
): MsrpSession {
  const { emit, role, localUri } = options;
  const own = parseMsrpUri(localUri);
  let state: MsrpSession['state'] = 'waiting';
  let wrote = false;
  /** The To-Path that was found to name us: one connection has the same for all frames. */
  let knownPath: readonly string[] | undefined;
  /** Whether the SEND that comes in pieces is for us. */
  let streaming = false;

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
    lost(reason) {
      state = 'ended';
      receiver.end(reason);
      emit({ kind: 'lost', reason });
    },
  });
  const receiver = msrpReceiver<Sink>({
    ...options,
    write,
    begin: (head) => options.begin?.(head) ?? FORBIDDEN,
    completed: (tid, message) => emit({ kind: 'completed', tid, message }),
    aborted: (message) => emit({ kind: 'aborted', ...message }),
    refused,
  });

  /** RFC 4975 §7.3: To-Path must name this session and nothing behind it. */
  function owns(head: RequestHead): boolean {
    const { toPath } = head;
    if (toPath === knownPath) return true;
    const uri = parseMsrpUri(toPath[0] ?? '');
    if (toPath.length === 1 && own !== undefined && uri !== undefined && namesSession(own, uri)) {
      knownPath = toPath;
      return true;
    }
    receiver.refuse(head, 481, { reason: 'To-Path does not name this session', section: '§7.3' });
    return false;
  }

  function request(frame: MsrpRequest): void {
    if (!owns(frame)) return;
    if (frame.method === 'REPORT') {
      if (!sender.report(frame)) refused('a REPORT on no message of ours', 'RFC 4975 §7.1.2');
      return;
    }
    const binds = bindBy(frame);
    receiver.request(frame);
    if (binds) sender.open();
  }

  function stream(event: StreamEvent): void {
    if (event.kind === 'begun') streaming = owns(event.head);
    if (!streaming) return;
    const binds = event.kind === 'begun' && bindBy(event.head);
    receiver.stream(event);
    if (binds) sender.open();
  }

  /** The first SEND binds the session: RFC 4975 §5.4. */
  function bindBy({ method }: RequestHead): boolean {
    if (state !== 'waiting' || method !== 'SEND') return false;
    state = 'bound';
    emit({ kind: 'bound' });
    return true;
  }

  function receive(event: FrameEvent): void {
    if (state === 'ended') {
      if (event.kind === 'piece' || event.kind === 'ended') return;
      refused('the session has ended', 'RFC 4975 §5.4');
      return;
    }
    switch (event.kind) {
      case 'refusal':
        receiver.refusal(event);
        if (event.fatal) lose(event.reason);
        return;
      case 'frame':
        whole(event.frame);
        return;
      case 'begun':
      case 'piece':
      case 'ended':
        stream(event);
        return;
      default:
        event satisfies never;
    }
  }

  function whole(frame: MsrpFrame): void {
    if (frame.kind === 'response') {
      if (!sender.response(frame)) refused('a response to no open transaction', 'RFC 4975 §7.2');
    } else request(frame);
  }

  function lose(reason: string): void {
    if (state === 'ended') return;
    state = 'ended';
    sender.end(reason);
    receiver.end(reason);
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
    get unwrittenBytes() {
      return receiver.unwrittenBytes;
    },
    connected() {
      if (role !== 'active' || state !== 'waiting') return;
      wrote = false;
      state = 'bound';
      emit({ kind: 'bound' });
      sender.open();
      if (!wrote) sender.bind();
    },
    receive,
    send: sender.send,
    answer: receiver.answer,
    takeBack: receiver.takeBack,
    drained: sender.drained,
    abort(reason) {
      if (state === 'ended') return;
      state = 'ended';
      sender.abort(reason);
      receiver.end(reason);
      emit({ kind: 'lost', reason });
    },
    disconnected: lose,
  };
}
