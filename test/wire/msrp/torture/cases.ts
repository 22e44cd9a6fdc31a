/** The torture set as data: what README.md describes, read and checked. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface Requirement {
  readonly id: string;
  readonly rfc: 4975 | 6135;
  readonly section: string;
  readonly level: string;
  readonly about: 'receiver' | 'sender' | 'sdp' | 'connection' | 'none';
  readonly text: string;
  /** Why no case can show it; with `about: none` alone. */
  readonly reason?: string;
}

/** Octets as text, one character each; an array is joined. */
export type Octets = string | readonly (string | { readonly repeat: string; times: number })[];

export interface EndpointSetup {
  readonly role: 'active' | 'passive';
  readonly localUri: string;
  readonly remotePath: readonly string[];
  /** Media types that its application takes; absent: all. */
  readonly accepts?: readonly string[];
  /** Octets of the longest message it takes. */
  readonly maxSize?: number;
}

/** Equal, absent (`null`), one of several, or, between slashes, a pattern. */
export type Value = string | null | readonly (string | null)[];

export interface FramePattern {
  readonly is: 'SEND' | 'REPORT' | number | readonly number[];
  readonly tid?: string;
  readonly to?: readonly string[];
  readonly from?: readonly string[] | 'any';
  readonly headers?: Readonly<Record<string, Value>>;
  readonly body?: Octets | null;
  readonly flag?: string;
  readonly optional?: boolean;
}

export interface Delivered {
  readonly session?: string;
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Octets;
}

export interface Outcome {
  readonly message: string;
  readonly outcome: 'succeeded' | 'failed';
}

/** What has come out since the last expectation; what it does not name may be anything. */
export interface Expectation {
  readonly on?: string;
  readonly frames?: readonly FramePattern[] | 'any';
  readonly unordered?: boolean;
  /** All SENDs of one message, and how much of it. */
  readonly sent?: {
    readonly id: string;
    readonly body: Octets;
    readonly flag?: string;
    readonly some?: boolean;
    readonly tid?: string;
    readonly headers?: Readonly<Record<string, Value>>;
  };
  /** Frames other than those of this message come before its last one. */
  readonly before?: string;
  /** Success REPORTs cover exactly this many octets. */
  readonly reported?: { readonly messageId: string; octets: number; to: readonly string[] };
  /** Success REPORTs, if there are any, stay within this range. */
  readonly reportedWithin?: { readonly messageId: string; range: readonly [number, number] };
  readonly delivered?: readonly Delivered[];
  readonly outcomes?: readonly Outcome[] | 'not-succeeded';
  readonly session?: string;
  readonly distinct?: readonly string[];
  /** Over TCP: sessions that have ended, and how many connections the endpoint opened. */
  readonly ended?: readonly string[];
  readonly connections?: number;
  /** No connection that the endpoint opened carried MSRP in the clear. */
  readonly clear?: false;
}

export type Step =
  | { readonly connect: true | string }
  | { readonly accept: string }
  | { readonly arrive: Octets; readonly on?: string }
  | {
      readonly send: string;
      readonly contentType: string;
      readonly body: Octets;
      readonly successReport?: 'yes';
      readonly failureReport?: 'partial';
    }
  | { readonly respond: 'all' | 'first' | 'but-last'; readonly status: number }
  | { readonly wait: number }
  | { readonly peerReads: boolean }
  | { readonly disconnect: true | string }
  | { readonly end: true }
  | { readonly fail: string; readonly status: number }
  | { readonly session: EndpointSetup }
  | { readonly expect: Expectation | readonly Expectation[] };

interface Told {
  /** Path below `cases`, without its ending. */
  readonly name: string;
  readonly title: string;
  readonly requirements: readonly string[];
  readonly why?: string;
  /** What an endpoint must offer to be tested so. */
  readonly needs?: readonly string[];
}

export interface SessionCase extends Told {
  readonly endpoint: EndpointSetup;
  /** Played first, on an endpoint of its own with the same random octets. */
  readonly rehearsal?: readonly Step[];
  readonly steps: readonly Step[];
}

export interface TcpCase extends Told {
  /** `sends`: a message of this text is to be sent from the beginning. */
  readonly sessions: readonly (EndpointSetup & { readonly name: string; sends?: string })[];
  readonly steps: readonly Step[];
}

export interface ReadCase extends Told {
  readonly read: {
    readonly kind: 'offer' | 'answer';
    readonly description: readonly string[];
    readonly types?: readonly string[];
    readonly wrapped?: readonly string[];
  };
  readonly expect: Reading | readonly Reading[];
}

export interface Reading {
  readonly usable: boolean;
  readonly path?: readonly string[];
  readonly connects?: 'us' | 'peer';
}

export interface WriteCase extends Told {
  readonly write: {
    readonly kind: 'offer' | 'answer' | 'repeat';
    readonly host: string;
    readonly port: number;
    readonly sessionId?: string;
    readonly offered?: readonly string[];
    readonly peerConnects?: boolean;
    readonly twice?: boolean;
  };
  readonly expect: {
    readonly has?: readonly string[];
    readonly hasNot?: readonly string[];
    readonly mLines?: readonly string[];
    readonly same?: string;
    readonly differ?: string;
  };
}

export type TortureCase = SessionCase | TcpCase | ReadCase | WriteCase;

const folder = join(import.meta.dirname, 'cases');

export const requirements: readonly Requirement[] = JSON.parse(
  readFileSync(join(import.meta.dirname, 'requirements.json'), 'utf8'),
);

export const cases: readonly TortureCase[] = readdirSync(folder, {
  recursive: true,
  withFileTypes: true,
})
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
  .map((path) => ({
    name: relative(folder, path)
      .replaceAll('\\', '/')
      .replace(/\.json$/, ''),
    ...JSON.parse(readFileSync(path, 'utf8')),
  }));

/** As test titles cite them. */
export function clauses(of: TortureCase): string {
  const cited = of.requirements.map((id) => {
    const found = requirements.find((requirement) => requirement.id === id);
    return found === undefined ? `unknown ${id}` : `RFC ${found.rfc} §${found.section}`;
  });
  return [...new Set(cited)].map((clause) => `[${clause}]`).join(' ');
}

/** The text of octets, one character each, with `${name}` replaced. */
export function textOf(octets: Octets, names: ReadonlyMap<string, string> = new Map()): string {
  const parts = typeof octets === 'string' ? [octets] : octets;
  const text = parts
    .map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times)))
    .join('');
  return text.replace(/\$\{([a-z0-9-]+)\}/g, (all, name: string) => names.get(name) ?? all);
}
