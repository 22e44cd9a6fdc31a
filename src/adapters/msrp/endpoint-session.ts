/** A session of the endpoint, as its users see it: promises for what happens once. */
import type { Clock } from '../../engine/ports.ts';
import { TRANSACTION_MS } from '../../wire/msrp/limits.ts';
import type {
  AbortedMessage,
  IncomingHead,
  IncomingMessage,
  MessageSink,
  MsrpSession,
  OutgoingMessage,
  PushOutcome,
  SessionEvent,
  SessionOptions,
} from '../../wire/msrp/session.ts';
import type { Connection, Member } from './connection.ts';

/** Who has no place for a message does not take it. */
const FORBIDDEN = 403;

export interface SessionRequest<Sink extends MessageSink = MessageSink> {
  /** Our `a=path`; its session-id is what the peer's To-Path must name. */
  readonly localUri: string;
  /** `a=path` of the peer, leftmost first. */
  readonly remotePath: readonly string[];
  /** Messages unacknowledged at one time. */
  readonly windowMessages?: number;
  readonly chunkBytes?: number;
  readonly transactionMs?: number;
  readonly successReport?: boolean;
  /** Default `yes`: RFC 4975 §7.1.1. */
  readonly failureReport?: 'yes' | 'no' | 'partial';
  /** `a=fingerprint` of the peer: its certificate over TLS must be that one (RFC 8122 §5). */
  readonly peerFingerprint?: string;
  readonly on?: SessionCallbacks<Sink>;
}

export interface SessionCallbacks<Sink extends MessageSink = MessageSink> {
  /**
   * Where a new message is to go, or the status to refuse it with; without this callback messages
   * are refused with 403. The sink's owner calls `room` when the sink has worked octets off.
   */
  begin?(head: IncomingHead): Sink | number;
  /** A whole message, to be answered exactly once; without this callback with 403. */
  message?(message: IncomingMessage<Sink>, answer: (status: number) => void): void;
  /** A message that had begun will never be complete; its sink was told. */
  aborted?(message: AbortedMessage): void;
  /** A failure REPORT followed the acknowledgement of the message with this key. */
  takenBack?(key: string, status: number): void;
  refused?(reason: string, section: string): void;
  /** Told once, after the outcomes of all messages; also when we ended it. */
  lost?(reason: string): void;
}

export type Binding =
  | { readonly bound: true; readonly local: string; readonly remote: string }
  | { readonly bound: false; readonly reason: string };

export interface EndpointSession {
  readonly session: MsrpSession;
  /** Active: connected. Passive: the peer's first SEND came. Never rejects. */
  readonly bound: Promise<Binding>;
  /** Resolves once with the message's fate; keys of open messages must differ. Never rejects. */
  send(message: OutgoingMessage): Promise<PushOutcome>;
  /** A sink has worked octets off: reads on, if that was what it waited for. */
  room(): void;
  /** When the last octet for this session came, by the clock; before that, when it was made. */
  quietSince(): number;
  /** Ends at once: open messages are lost, the one under way is given up with `#`. */
  abort(reason?: string): void;
  /** Ends, but first waits for the answers still owed to the peer and flushes them. */
  close(): Promise<void>;
}

export interface EndpointSessionOptions<Sink extends MessageSink> {
  readonly request: SessionRequest<Sink>;
  readonly clock: Clock;
  readonly bindMs: number;
  connection(): Connection | undefined;
  ended(): void;
  make(link: Pick<SessionOptions<Sink>, 'emit' | 'begin' | 'write' | 'ready'>): MsrpSession;
}

/** The session, and what its connection calls. */
export function endpointSession<Sink extends MessageSink>(
  options: EndpointSessionOptions<Sink>,
): EndpointSession & Member {
  const { clock, connection } = options;
  const on = options.request.on ?? {};
  const waiting = new Map<string, (outcome: PushOutcome) => void>();
  let answeredAll: (() => void) | undefined;
  let closing = false;
  let quietSince = clock.now();
  let settleBinding: (binding: Binding) => void = () => {};
  const bound = new Promise<Binding>((resolve) => {
    settleBinding = resolve;
  });
  const session = options.make({
    emit,
    begin: (head) => on.begin?.(head) ?? FORBIDDEN,
    write: (parts) => connection()?.write(parts, session) ?? false,
    ready: () => connection()?.ready(session) ?? true,
  });
  const cancelBinding = clock.timer(options.bindMs, () => {
    if (session.state === 'waiting') session.abort(`not bound within ${options.bindMs} ms`);
  });

  function emit(event: SessionEvent<Sink>): void {
    switch (event.kind) {
      case 'bound': {
        cancelBinding();
        const { local = '', remote = '' } = connection() ?? {};
        settleBinding({ bound: true, local, remote });
        return;
      }
      case 'outcome': {
        const settle = waiting.get(event.key);
        waiting.delete(event.key);
        settle?.(event.outcome);
        return;
      }
      case 'takenBack':
        on.takenBack?.(event.key, event.status);
        return;
      case 'completed':
        completed(event.tid, event.message);
        return;
      case 'aborted': {
        const { messageId, bytes, reason } = event;
        on.aborted?.({ messageId, bytes, reason });
        return;
      }
      case 'refused':
        on.refused?.(event.reason, event.section);
        return;
      case 'lost':
        lost(event.reason);
        return;
      default:
        event satisfies never;
    }
  }

  function completed(tid: string, message: IncomingMessage<Sink>): void {
    const answer = (status: number): void => {
      session.answer(tid, status);
      connection()?.regulate();
      if (session.unanswered === 0) answeredAll?.();
    };
    if (on.message === undefined) answer(FORBIDDEN);
    else on.message(message, answer);
  }

  function lost(reason: string): void {
    cancelBinding();
    settleBinding({ bound: false, reason });
    on.lost?.(reason);
    if (!closing) leave();
  }

  function leave(): void {
    options.ended();
    connection()?.detach(session);
  }

  return {
    session,
    bound,
    send(message) {
      if (waiting.has(message.key)) throw new TypeError('a message with this key is still open');
      return new Promise((resolve) => {
        waiting.set(message.key, resolve);
        session.send(message);
      });
    },
    room: () => connection()?.regulate(),
    quietSince: () => quietSince,
    heard(now) {
      quietSince = now;
    },
    abort: (reason = 'aborted') => session.abort(reason),
    async close() {
      if (closing || session.state === 'ended') return;
      closing = true;
      session.abort('closed');
      if (session.unanswered > 0) {
        await new Promise<void>((resolve) => {
          // After that time the peer counts the transaction as failed anyway (RFC 4975 §7.1.4).
          const cancel = clock.timer(TRANSACTION_MS, resolve);
          answeredAll = () => {
            cancel();
            resolve();
          };
        });
      }
      leave();
    },
  };
}
