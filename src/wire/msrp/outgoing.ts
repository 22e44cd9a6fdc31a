/** Messages that go out, and what became of them. */
import type { BodySource } from './body-source.ts';

export interface OutgoingMessage {
  /** The caller's name for it; comes back with the outcome. */
  readonly key: string;
  /** RFC 4975 §9 `ident`; the same for every repetition of the same body (§5.4). */
  readonly messageId: string;
  readonly contentType: string;
  /** A source is closed once, whatever becomes of the message. */
  readonly body: Uint8Array | BodySource;
}

/** What became of one message: told exactly once. `sent`: a frame of it left. */
export type PushOutcome =
  /** By the answers that `failureReport` asks for. */
  | { readonly outcome: 'acknowledged' }
  | { readonly outcome: 'failed'; readonly status: number; readonly sent: boolean }
  | { readonly outcome: 'timeout' }
  /** Its source failed; the session goes on. */
  | { readonly outcome: 'unreadable'; readonly reason: string; readonly sent: boolean }
  | { readonly outcome: 'sessionLost'; readonly reason: string; readonly sent: boolean };
