/**
 * The ports of the engine: what it needs from the world, as types. Adapters implement them, tests
 * run one contract suite over every implementation, and the engine imports nothing else of them.
 */
import type { Candidate, Position, Recorded } from './recorded.ts';

/** `none`: the stream has no event yet. */
export type ExpectedRevision = 'none' | number;

/**
 * `appended`: flushed, together with the views. `conflict`: nothing was written, the stream stands
 * at `head`. `unknown`: it may or may not be in the log; append the same events again.
 */
export type Append =
  | {
      readonly outcome: 'appended';
      /** Of the last event. */
      readonly revision: number;
      /** Of each event, in order. */
      readonly positions: readonly Position[];
    }
  | { readonly outcome: 'conflict'; readonly head: ExpectedRevision }
  | { readonly outcome: 'unknown'; readonly reason: string };

export interface AppendOptions {
  /**
   * `now` (default): commit as soon as the store can. `next`: go out with the next commit of
   * anybody, at the latest after `LAZY_APPEND_MS`; for records that nobody waits for.
   */
  readonly flush?: 'now' | 'next';
}

/** How long an append with `flush: 'next'` may wait for company. */
export const LAZY_APPEND_MS = 20;
/** Portable limits of one event and of one append, JSON head and octets together. */
export const EVENT_BYTES_MAX = 256 * 1024;
export const APPEND_BYTES_MAX = 900 * 1024;
/** Portable limit of a stream's name, in UTF-8: LMDB has 1,978 for a key with a revision in it. */
export const STREAM_BYTES_MAX = 1500;

export interface EventStore {
  /**
   * Appends all events or none. Appends of one process are taken in the order of the calls.
   * Repeating an append with the same event ids and the same expected revision after it succeeded
   * answers `appended` again and writes nothing.
   */
  append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly Candidate[],
    options?: AppendOptions,
  ): Promise<Append>;
  /** Events of one stream, ascending, from revision `from` (inclusive) on. */
  read(
    stream: string,
    options?: { readonly from?: number; readonly limit?: number },
  ): AsyncIterable<Recorded>;
  /** The last event of a stream. */
  last(stream: string): Promise<Recorded | undefined>;
  /** Events of all streams in log order, strictly after `after`; ends at the head of its start. */
  readAll(options?: {
    readonly after?: Position;
    readonly limit?: number;
  }): AsyncIterable<Recorded>;
  /** Position of the last event of the log. */
  head(): Promise<Position | undefined>;
  /** Resolves when the log may have grown beyond `after`, or after `withinMs`. */
  grown(after: Position | undefined, withinMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Names a view and, to the type checker, the shape of its rows (plain JSON data). */
export interface View<Row> {
  readonly name: string;
  /** Never present: carries the row's type. */
  readonly row?: Row;
}

/** One change of one row. Keys are ASCII, at most `VIEW_KEY_BYTES_MAX` long, ordered by octets. */
export type Change = { readonly view: string; readonly key: string } & (
  | { readonly put: unknown }
  | { readonly remove: true }
  | { readonly fold: (row: unknown) => unknown }
);

export const VIEW_KEY_BYTES_MAX = 1000;

/**
 * A projection turns one recorded event into changes of rows, row by row, so every store can apply
 * it in the append's own transaction.
 */
export interface Projection {
  readonly name: string;
  /** Raised when rows of an older version must be rebuilt. */
  readonly version: number;
  readonly views: readonly string[];
  project(event: Recorded): readonly Change[];
}

export interface Range {
  /** First key, inclusive. */
  readonly from?: string;
  /** Last key, exclusive. */
  readonly to?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** Rows as of every append that was answered before the call. */
export interface Views {
  get<Row>(view: View<Row>, key: string): Promise<Row | undefined>;
  range<Row>(view: View<Row>, range?: Range): Promise<readonly (readonly [string, Row])[]>;
  count(view: View<unknown>): Promise<number>;
}

/** A store that keeps views beside its log and lets them be built anew from it. */
export interface ViewStore extends Views {
  /** Drops all rows and projects the whole log again; `progress` is told how many events so far. */
  rebuild(progress?: (events: number) => void): Promise<{ readonly events: number }>;
}

/** What becomes of a content when it is sealed. `full`: the disk has no room for it. */
export type Sealed =
  | {
      readonly outcome: 'sealed';
      /** Its name: SHA-256 of the octets, lower-case hexadecimal. */
      readonly sha256: string;
      readonly bytes: number;
      /** An event that names it is in the log, or never will be: its references count from now on. */
      release(): void;
    }
  | { readonly outcome: 'full' | 'failed'; readonly reason: string };

/** A content on its way in. Nobody sees it before it is sealed. */
export interface BlobWriter {
  /**
   * Takes octets for the place `at`, counted from 0; what comes later replaces what came before. The
   * octets must stay as they are. What goes wrong is told by `seal`.
   */
  write(at: number, octets: Uint8Array): void;
  /** Octets taken and not yet written: who reads a socket stops reading when they are many. */
  readonly unwrittenBytes: number;
  /**
   * Resolves when the octets `[0, bytes)` are written and flushed under their name; the same content
   * is kept once. Every octet of them was written before.
   */
  seal(bytes: number): Promise<Sealed>;
  /** Gives the content up. Nothing happens after `seal`. */
  discard(): void;
}

/** A content on its way out. */
export interface BlobReader {
  readonly bytes: number;
  /**
   * The next octets, at most `bytesMax`; `undefined` behind the last ones. The last octets are given
   * only when the whole content is what its name says. Rejects when it is not, or cannot be read.
   */
  next(bytesMax: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/**
 * Contents too large to travel with an event, by SHA-256. What the log says decides which of them are
 * needed: the store only keeps and removes.
 */
export interface BlobStore {
  /** `onWritten` is called whenever `unwrittenBytes` went down. */
  create(onWritten?: () => void): BlobWriter;
  /** From the first octet; `undefined`: it is not here. */
  open(sha256: string): Promise<BlobReader | undefined>;
  list(): AsyncIterable<{ readonly sha256: string; readonly bytes: number }>;
  /**
   * Removes a content that was not sealed for `unsealedForMs` and is not held by a seal that was not
   * released; `false`: it stays.
   */
  remove(sha256: string, unsealedForMs: number): Promise<boolean>;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

/** Hashing, synchronous: `node:crypto` on the server. */
export interface Digest {
  sha256(octets: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, octets: Uint8Array): Uint8Array;
}

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls back once, `delayMs` from now; the returned function cancels. */
  timer(delayMs: number, callback: () => void): () => void;
}

export interface Identifiers {
  /** A new deferred Message-ID, `<string>@<store host>` without `sip:`. */
  messageId(): string;
  /** Random octets for what must not be guessed. */
  random(octets: number): Uint8Array;
}

/** An effect that was decided and is now to be performed. */
export interface Effect<Name extends string = string, Params = unknown> {
  readonly name: Name;
  readonly params: Params;
  /** `stream/revision/index`: the same on every repetition. */
  readonly id: string;
  /** The event that decided it. */
  readonly event: Recorded;
}

/** Performs one kind of effect. What it achieves comes back as an input. */
export type EffectHandler = (effect: Effect) => Promise<void>;
