/** A session of the endpoint, as its users see it: promises for what happens once. */
import type { Clock } from '../../engine/ports.ts';
import { TRANSACTION_MS } from '../../wire/msrp/limits.ts';
import type {
  IncomingMessage,
  MsrpSession,
  OutgoingMessage,
  PushOutcome,
  SessionEvent,
} from '../../wire/msrp/session.ts';
import type { Connection } from './connection.ts';

export interface SessionRequest {
  /** Our `a=path`; its session-id is what the peer's To-Path must name. */
  readonly localUri: string;
  /** `a=path` of the peer, leftmost first. */
  readonly remotePath: readonly string[];
  /** Messages unacknowledged at one time. */
  readonly windowMessages?: number;
  readonly chunkBytes?: number;
  readonly transactionMs?: number;
  readonly successReport?: boolean;
  readonly on?: SessionCallbacks;
}

export interface SessionCallbacks {
  /** To be answered exactly once; without this callback messages are refused with 403. */
  message?(message: IncomingMessage, answer: (status: number) => void): void;
  /** The peer gave an incoming message up. */
  aborted?(messageId: string): void;
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
  /** Ends at once: open messages are lost, the one under way is given up with `#`. */
  abort(reason?: string): void;
  /** Ends, but first waits for the answers still owed to the peer and flushes them. */
  close(): Promise<void>;
}

export interface EndpointSessionOptions {
  readonly request: SessionRequest;
  readonly clock: Clock;
  readonly bindMs: number;
  connection(): Connection | undefined;
  ended(): void;
  make(
    emit: (event: SessionEvent) => void,
    write: (parts: readonly Uint8Array[]) => boolean,
  ): MsrpSession;
}

export function endpointSession(options: EndpointSessionOptions): EndpointSession {
  const { clock, connection } = options;
  const on = options.request.on ?? {};
  const waiting = new Map<string, (outcome: PushOutcome) => void>();
  let answeredAll: (() => void) | undefined;
  let closing = false;
  let settleBinding: (binding: Binding) => void = () => {};
  const bound = new Promise<Binding>((resolve) => {
    settleBinding = resolve;
  });
  const session = options.make(emit, (parts) => connection()?.write(parts) ?? false);
  const cancelBinding = clock.timer(options.bindMs, () => {
    if (session.state === 'waiting') session.abort(`not bound within ${options.bindMs} ms`);
  });

  function emit(event: SessionEvent): void {
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
      case 'aborted':
        on.aborted?.(event.messageId);
        return;
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

  function completed(tid: string, message: IncomingMessage): void {
    const answer = (status: number): void => {
      session.answer(tid, status);
      connection()?.regulate();
      if (session.unanswered === 0) answeredAll?.();
    };
    if (on.message === undefined) answer(403);
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
