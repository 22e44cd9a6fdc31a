import type { Chart } from '../../engine/decide.ts';
import type { BlobReader, EventStore, ViewStore } from '../../engine/ports.ts';
import type { DigestHash } from '../../wire/sip/digest.ts';
import type { ServeConfig } from './configuration.ts';
import type { SipAddress } from './listen-address.ts';

export type Store = EventStore & ViewStore;

export type OpenedStore =
  | { readonly kind: 'open'; readonly store: Store }
  | { readonly kind: 'failure'; readonly what: string; readonly todo: string };

/** Contents of Large messages, to be read: the server may run meanwhile. */
export interface Contents {
  /** Where a content is kept, for a person. */
  pathOf(sha256: string): string;
  /** `undefined`: it is not there. Rejects when it cannot be read. */
  open(sha256: string): Promise<BlobReader | undefined>;
  list(): AsyncIterable<{ readonly sha256: string; readonly bytes: number }>;
}

export interface Output {
  /** Standard output; a promise makes the writer wait for a slow reader. */
  write(text: string | Uint8Array): void | Promise<void>;
  /** Standard error. */
  error(text: string): void;
  /** Whether standard error is read by a person: progress is shown there. */
  readonly isTerminal: boolean;
}

export interface DemoOptions {
  readonly messages: number;
  /** Where the store is kept; absent: a temporary folder that is removed at the end. */
  readonly data?: string;
  readonly keep: boolean;
  readonly json: boolean;
}

export interface UaSendOptions {
  readonly server: SipAddress;
  /** User parts of `domain`, or whole URIs. */
  readonly from: string;
  readonly to: string;
  readonly domain: string;
  /** The texts to send, or how many numbered ones. */
  readonly bodies: readonly string[] | number;
  /** Send in Large Message mode, these files too. */
  readonly large?: { readonly files: readonly string[] };
  readonly contentType?: string;
  readonly subject?: string;
  readonly expiresSeconds?: number;
  /** Further headers; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly json: boolean;
}

export interface UaReceiveOptions {
  readonly server: SipAddress;
  /** Whose messages to fetch, a SIP URI. */
  readonly aor: string;
  readonly host: string;
  readonly sipPort: number;
  readonly msrpPort: number;
  readonly expiresSeconds: number;
  readonly setup: 'active' | 'passive';
  /** How many deliveries to wait for before it ends. */
  readonly deliveries: number;
  readonly json: boolean;
}

/** What the commands need of the world: `main.ts` brings it. All numbers are exit codes. */
export interface CommandLine {
  readonly version: string;
  openStore(target: { readonly url: string; readonly readOnly: boolean }): Promise<OpenedStore>;
  /** Of the server whose `data` is this folder. */
  openContents(data: string): Contents;
  /** By category of the streams they drive. */
  readonly charts: Readonly<Record<string, Chart>>;
  serve(config: ServeConfig, output: Output): Promise<number>;
  demo(options: DemoOptions): Promise<number>;
  readonly ua: {
    send(options: UaSendOptions): Promise<number>;
    receive(options: UaReceiveOptions): Promise<number>;
  };
  readonly output: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Rejects when the file cannot be read. */
  readFile(path: string): Promise<string>;
  /** Passwords, and what is kept in place of them. */
  readonly secrets: {
    readonly hash: DigestHash;
    /** One line that is not shown; empty when none was given. */
    password(prompt: string): Promise<string>;
    /** Replaces a file as a whole, readable by its owner alone; rejects when it cannot. */
    writeFile(path: string, text: string): Promise<void>;
  };
  /** Epoch milliseconds. */
  now(): number;
  /** Aborted when the user wants the command to end (SIGINT). */
  readonly interrupted: AbortSignal;
}

/** What a command's action is told: the world, and whom to tell the exit code. */
export interface Session extends CommandLine {
  finish(exitCode: number): void;
}
