/** Who may come in, and how much of each: in front of the transactions, and where they begin. */
import type { Signals } from '../../../deferral/signals.ts';
import type { Digest } from '../../../engine/ports.ts';
import type { DigestHash } from '../../../wire/sip/digest.ts';
import type { DigestAlgorithm } from '../../../wire/sip/digest-fields.ts';
import { type Hop, isReliable } from '../../../wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import type { answers, Headers, Verdict } from '../answer.ts';
import { hostPort } from '../host-port.ts';
import { evidenceOf } from '../observe-options.ts';
import type { OwnIdentity } from '../own-identity.ts';
import { authentication } from './authenticate.ts';
import { bareAnswers } from './bare-answers.ts';
import { believed } from './believed.ts';
import type { CredentialsOf } from './credentials.ts';
import { type Admission, gate } from './gate.ts';
import { nonces } from './nonces.ts';
import type { Requester } from './requester.ts';
import { senderLimit } from './sender-limit.ts';
import { type Rate, sourceOf, tokenBuckets } from './token-buckets.ts';

export interface AccessOptions {
  /** Names in a verified certificate that make a peer the core (RFC 5922 §7.1); default: none. */
  trustedName?(name: string): boolean;
  /** Users that prove by digest who they are; absent: none, and strangers are refused. */
  readonly clients?: {
    readonly realm: string;
    readonly credentialsOf: CredentialsOf;
    readonly hash: DigestHash;
    /** Of the challenges; default: all that the host knows. */
    readonly algorithms?: readonly DigestAlgorithm[];
  };
  /** Of one address that is not trusted; absent: no limit. */
  readonly sourceRate?: Rate;
  /** Of one sender's deposits; absent: no limit. */
  readonly senderRate?: Rate;
  /** Requests without an answer; above it new work is refused. */
  readonly inFlightMax?: number;
}

export interface Access {
  isTrusted(source: Hop): boolean;
  /** Who sent a request that was let in. */
  requester(request: SipMessage): Requester;
  /** Lets a request of a peer that is not trusted in, as far as it is believed, or answers it. */
  stranger(request: SipMessage, source: Hop, letIn: (request: SipMessage) => void): void;
  unreadable(refusal: Refusal, source: Hop): void;
  /** Refuses what a sender sends too much of, and passes on all else. */
  limited(next: (transaction: ServerTransaction) => void): (transaction: ServerTransaction) => void;
  /** Whether a new request is too much, while so many have no answer. */
  isOverload(request: SipMessage, source: Hop, unanswered: number): boolean;
  /** What the 503 says that is answered then; it leaves no evidence, which would take memory. */
  overload(): { readonly headers: Headers };
}

const SOURCES_MAX = 20_000;
/** A wrong password costs as much as so many requests. */
const GUESS_TOKENS = 10;
/** Who is refused a lot must not fill the log. */
const TOLD_EVERY_MS = 10_000;
/** What 5,000 requests a second have open when the store stalls for a second. */
const IN_FLIGHT_MAX = 5_000;
/** Not the core's REGISTER: an S-CSCF that hears of an error may deregister the client. */
const NEW_WORK: ReadonlySet<string> = new Set(['MESSAGE', 'INVITE', 'SUBSCRIBE', 'PUBLISH']);
/** Clients that were refused at once must not come back at once. */
const OVERLOAD_RETRY_SECONDS = [5, 6, 7, 8, 9, 10, 11, 12] as const;
const KEY_OCTETS = 32;
const CORE: Requester = { kind: 'core' };

/** Datagrams on their own: who forges an address must not use up what its streams may send. */
function bucketOf(source: Hop): string {
  return `${isReliable(source) ? 'stream' : 'datagram'} ${sourceOf(source.host)}`;
}

export function openAccess(options: {
  readonly access: AccessOptions;
  readonly identity: OwnIdentity;
  readonly domain: string;
  readonly digest: Digest;
  readonly signals: Signals;
  readonly render: ReturnType<typeof answers>;
  /** Steady milliseconds, from 0 on. */
  steadyNow(): number;
  random(octets: number): Uint8Array;
  trusted(address: string): boolean;
  tagFor(request: SipMessage): string;
  send(octets: Uint8Array, hop: Hop): void;
  onRefusedTraffic(reason: string, section: string, remote: string): void;
  onFault(where: string, fault: unknown): void;
}): Access {
  const { access, digest, signals, render, steadyNow, random, tagFor } = options;
  const { clients, trustedName, sourceRate, senderRate } = access;
  const inFlightMax = access.inFlightMax ?? IN_FLIGHT_MAX;
  const requesters = new WeakMap<SipMessage, Requester>();
  const bare = bareAnswers({ ...options, isTrusted });
  const sources =
    sourceRate && tokenBuckets({ rate: sourceRate, keysMax: SOURCES_MAX, now: steadyNow });
  const overdrawn =
    senderRate &&
    senderLimit({ rate: senderRate, now: steadyNow, own: options.identity.imAddress });
  const authenticate =
    clients &&
    authentication({
      ...clients,
      nonces: nonces({ digest, key: random(KEY_OCTETS), now: steadyNow }),
      digest,
      random,
    });
  const judge = gate({ ...options, ...(authenticate && { authenticate }) });
  const tellLimited = seldom('requests of a stranger dropped');
  const tellOverload = seldom('requests refused');

  /** Tells of the first at once, of the others every ten seconds. */
  function seldom(where: string): (what: string) => void {
    let toldMs = Number.NEGATIVE_INFINITY;
    let untold = 0;
    return (what) => {
      untold += 1;
      if (steadyNow() - toldMs < TOLD_EVERY_MS) return;
      toldMs = steadyNow();
      options.onFault(where, `${what}; ${untold} since this was told last`);
      untold = 0;
    };
  }

  function isTrusted({ host, peerNames = [] }: Hop): boolean {
    return options.trusted(host) || (trustedName !== undefined && peerNames.some(trustedName));
  }

  function refuse(reason: string, section: string, source: Hop): void {
    options.onRefusedTraffic(reason, section, hostPort(source.host, source.port));
  }

  /** Before anything is looked up or answered (RFC 3261 §26.3.2.4). */
  function isTooMuch(source: Hop): boolean {
    if (sources?.take(bucketOf(source)) ?? true) return false;
    const { host, port } = source;
    const { perSecond } = sourceRate ?? {};
    tellLimited(`${hostPort(host, port)} sends more than ${perSecond} a second`);
    return true;
  }

  function conclude(
    admission: Admission,
    request: SipMessage,
    source: Hop,
    letIn: (request: SipMessage) => void,
  ): void {
    if (admission.kind === 'admitted') {
      const known = believed(request, admission.requester);
      requesters.set(known, admission.requester);
      letIn(known);
      return;
    }
    const { reason, section, verdicts, guessed } = admission;
    if (guessed) sources?.fine(bucketOf(source), GUESS_TOKENS);
    refuse(reason, section, source);
    const isSilent = verdicts.length > 0 && !bare.refuse(request, source, verdicts);
    if (isSilent) refuse('answer larger than the request', 'RFC 3261 §26.1.5', source);
  }

  return {
    isTrusted,
    requester: (request) => requesters.get(request) ?? CORE,
    stranger(request, source, letIn) {
      if (isTooMuch(source)) return refuse('source rate', 'RFC 3261 §26.1.5', source);
      const judged = judge(request, source);
      if (!(judged instanceof Promise)) return conclude(judged, request, source, letIn);
      judged
        .then((admission) => conclude(admission, request, source, letIn))
        .catch((fault: unknown) => {
          options.onFault(`message from ${hostPort(source.host, source.port)}`, fault);
        });
    },
    unreadable(refusal, source) {
      if (!isTrusted(source) && isTooMuch(source)) return;
      bare.unreadable(refusal, source);
    },
    limited(next) {
      if (!overdrawn) return next;
      return (transaction) => {
        const { request, source } = transaction;
        const verdict = overdrawn(request, requesters.get(request) ?? CORE);
        if (!verdict) return next(transaction);
        refuse('sender rate', 'RFC 3261 §21.4.18', source);
        respond(transaction, verdict);
      };
    },
    isOverload(request, source, unanswered) {
      const method = request.start.kind === 'request' ? request.start.method : '';
      if (unanswered < inFlightMax) return false;
      const isClients = method === 'REGISTER' && requesters.has(request);
      if (!isClients && !NEW_WORK.has(method)) return false;
      // What belongs to a dialog finishes work that was taken on.
      if (parseNameAddr(request.first('to') ?? '')?.tag !== undefined) return false;
      refuse('overload', 'RFC 3261 §21.5.4', source);
      tellOverload(`${unanswered} have no answer yet`);
      return true;
    },
    overload() {
      const [drawn = 0] = random(1);
      const seconds = OVERLOAD_RETRY_SECONDS[drawn % OVERLOAD_RETRY_SECONDS.length];
      return { headers: [['Retry-After', String(seconds)]] };
    },
  };

  function respond(transaction: ServerTransaction, verdict: Verdict): void {
    const { request, source } = transaction;
    const octets = render(request, source, { ...verdict, toTag: tagFor(request) });
    signals.received(request.octets, evidenceOf(source));
    if (transaction.respond(octets, verdict.status)) signals.sent(octets, evidenceOf(source));
  }
}
