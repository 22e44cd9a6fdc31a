import type { View } from './ports.ts';
import type { Evidence, Recorded } from './recorded.ts';

/** What arrived: a candidate event, stamped once at the edge. */
export interface Input<Type extends string = string, Data = unknown> {
  readonly type: Type;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly data: Data;
  /** What makes the event one of its kind in the stream: its id is derived from it. */
  readonly cause: string;
  readonly octets?: Uint8Array;
  readonly evidence?: Evidence;
  /** Id of the effect that led here. */
  readonly causation?: string;
  /** Ignored when this row exists, or when an input with the same key was accepted before. */
  readonly unless?: Unless;
}

export interface Unless {
  readonly view: View<unknown>;
  readonly key: string;
  /** Whether the row says so; absent: any row does. */
  readonly says?: (row: unknown) => boolean;
}

export type Outcome =
  | { readonly outcome: 'accepted'; readonly event: Recorded }
  | { readonly outcome: 'ignored' }
  | { readonly outcome: 'refused'; readonly reason: string }
  | { readonly outcome: 'unknown'; readonly reason: string };

/** Called once, after the flush and before any effect of the event is performed. */
export type Reply = (outcome: Outcome) => void | Promise<void>;

/** Never resolves before everything that the outcome was decided upon is flushed. */
export type Submit = (stream: string, input: Input, reply?: Reply) => Promise<Outcome>;
