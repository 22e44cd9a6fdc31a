/**
 * A request on its way, over one hop after the other until one of them answers (RFC 3263 §4.3).
 * Each try is a transaction of its own, with a branch of its own, and the same in all else.
 *
 * - The next hop is tried when this one could not be reached, or refuses with 503. Not after a
 *   101-199: then the request is beyond that hop, whose 503 speaks of what lies behind.
 * - It is also tried when this one says nothing, but only what may happen twice: an INVITE, whose
 *   late second answer is one more fork (RFC 3261 §13.2.2.4), and requests that ask for the same
 *   again. A MESSAGE that may have arrived is never tried elsewhere: it would be read twice.
 * - The first try that is answered by more than 100, which says only that the hop is there, has the
 *   request. The others are given up: an INVITE is cancelled there, and answers to the rest are
 *   recorded and go no further. A 2xx to INVITE always comes through, whoever sends it: it must be
 *   acknowledged.
 * - A 482 says that the request came by another try as well (RFC 3261 §8.2.2.2): that one counts.
 * - Once CANCEL was asked for, or the request was given up, nothing new is tried.
 */
import type { Signals } from '../../../deferral/signals.ts';
import type { ClientTransaction } from '../../../wire/sip/client-transaction.ts';
import { parseRetryAfter } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { cancelFor } from '../../../wire/sip/invite-requests.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { TransactionLayer } from '../../../wire/sip/transaction.ts';
import { evidenceOf } from '../observe-options.ts';
import type { HopMemory } from './hop-memory.ts';

/** One try: a client transaction of its own, with a branch of its own. */
export interface Attempt {
  readonly octets: Uint8Array;
  readonly branch: string;
  readonly hop: Hop;
  /** Its `cancel` is for the whole request: other tries that are on their way are cancelled too. */
  readonly transaction: ClientTransaction;
}

export interface Outgoing {
  readonly method: string;
  /** In the order of preference; at least one. */
  readonly hops: readonly Hop[];
  /**
   * The request for this hop: Via and Contact name our end of it. `attempt` counts from 0; it can
   * be asked for twice, when the size of the request decides about the transport.
   */
  render(hop: Hop, attempt: number): { readonly octets: Uint8Array; readonly branch: string };
  /** Whether it was given up: nothing new is tried then. */
  isOff?(): boolean;
}

export interface OutgoingCallbacks {
  /** A try leaves; CANCEL is for the last one. */
  onAttempt?(attempt: Attempt): void;
  onProvisional(response: SipMessage, hop: Hop): void;
  /** Once, but for INVITE each 2xx: of any try, also after another outcome. */
  onFinal(response: SipMessage, hop: Hop): void;
  /** The last try ended without a final response. */
  onTimeout(): void;
  /** The last hop could not be reached either. */
  onUnreachable(reason: string): void;
  /** A CANCEL that was asked for leaves. */
  onCancelSent?(octets: Uint8Array, hop: Hop): void;
}

/** Sends a request and records it; the answers that come through are the caller's to record. */
export type SendRequest = (outgoing: Outgoing, callbacks: OutgoingCallbacks) => void;

/**
 * Silence after which the next hop is tried: T2, when a request has left four times over UDP. A
 * stateful element would have answered an INVITE with 100 within 200 ms (RFC 3261 §17.2.1). Timers
 * B and F, which RFC 3263 §4.3 waits for, would cost 32 s for each dead hop.
 */
export const NEXT_HOP_AFTER_MS = 4_000;
/** RFC 3261 §18.1.1: what is larger goes by a transport with congestion control. */
const UDP_BYTES_MAX = 1_300;
/** What asks for the same again when it arrives twice; a second SUBSCRIBE is a fork. */
const MAY_ARRIVE_TWICE: ReadonlySet<string> = new Set(
  'INVITE BYE UPDATE NOTIFY OPTIONS SUBSCRIBE'.split(' '),
);

interface Context {
  layer(): TransactionLayer;
  readonly signals: Signals;
  readonly memory: HopMemory;
  /** Our own end towards a peer by TCP; `undefined`: TCP is not listened on in that family. */
  localFor(transport: 'tcp', host: string): string | undefined;
}

/** One sender for all requests, so that all profit from what one of them found out about a hop. */
export function requestSender(context: Context): SendRequest {
  return (outgoing, callbacks) => {
    const hops = context.memory.ordered(outgoing.hops);
    if (hops.length === 0) callbacks.onUnreachable('no way is known');
    else tries(context, { ...outgoing, hops }, callbacks);
  };
}

interface Try {
  readonly octets: Uint8Array;
  readonly hop: Hop;
  /** The hop that the size of the request kept it from. */
  readonly instead: Hop | undefined;
  transaction: ClientTransaction | undefined;
  /** The highest status so far; 0: silence. */
  heard: number;
}

function tries(context: Context, outgoing: Outgoing, callbacks: OutgoingCallbacks): void {
  const { signals, memory } = context;
  const { method } = outgoing;
  const left = [...outgoing.hops];
  /** Those that may still bring the outcome; the others only have to end. */
  const live = new Set<Try>();
  let byUdp: Hop | undefined;
  let count = 0;
  let cancelled = false;
  let over = false;
  let stopTimer: (() => void) | undefined;

  const record = (response: SipMessage, hop: Hop): void =>
    signals.received(response.octets, evidenceOf(hop));

  function next(): boolean {
    stopTimer?.();
    const hop = over || cancelled || outgoing.isOff?.() ? undefined : left.shift();
    if (hop === undefined) return false;
    start(hop);
    return true;
  }

  function nobodyAnswers(): void {
    for (const { heard, hop } of live) if (heard === 0) memory.failed(hop);
    next();
  }

  function start(wanted: Hop): void {
    let hop = wanted;
    let rendered = outgoing.render(hop, count);
    const large = rendered.octets.length > UDP_BYTES_MAX && wanted !== byUdp;
    const tcp = large ? tcpInstead(context, wanted) : undefined;
    if (tcp) {
      hop = tcp;
      rendered = outgoing.render(hop, count);
    }
    const { octets, branch } = rendered;
    count += 1;
    const instead = tcp && wanted;
    const one: Try = { octets, hop, instead, transaction: undefined, heard: 0 };
    live.add(one);
    if (left.length > 0 && MAY_ARRIVE_TWICE.has(method)) {
      stopTimer = context.layer().timer(NEXT_HOP_AFTER_MS, nobodyAnswers);
    }
    signals.sent(octets, evidenceOf(hop));
    const transaction = context.layer().request({ octets, method, branch }, hop, {
      onProvisional: (response) => provisional(one, response),
      onFinal: (response) => final(one, response),
      onTimeout: () => timedOut(one),
      onUnreachable: (reason) => unreachable(one, reason),
      onCancelSent(cancel) {
        if (cancelled && live.has(one)) callbacks.onCancelSent?.(cancel, hop);
        else signals.sent(cancel, evidenceOf(hop));
      },
    });
    one.transaction = transaction;
    callbacks.onAttempt?.({ octets, branch, hop, transaction: cancellingAll(one, transaction) });
  }

  function cancellingAll(one: Try, transaction: ClientTransaction): ClientTransaction {
    return {
      method,
      branch: transaction.branch,
      hop: one.hop,
      get state() {
        return transaction.state;
      },
      cancel(octets) {
        if (!over) cancelled = true;
        const others = [...live].filter((other) => other !== one);
        const results = [transaction.cancel(octets), ...others.map(cancelTry)];
        if (results.includes('sent')) return 'sent';
        return results.includes('waiting') ? 'waiting' : 'late';
      },
    };
  }

  /** The others have lost; what they still answer must not reach who asked. */
  function choose(one: Try): void {
    stopTimer?.();
    for (const other of live) {
      if (other === one) continue;
      live.delete(other);
      cancelTry(other);
    }
  }

  function provisional(one: Try, response: SipMessage): void {
    memory.answered(one.hop);
    const status = statusOf(response);
    one.heard = Math.max(one.heard, status);
    if (!live.has(one)) {
      record(response, one.hop);
      return;
    }
    if (status > 100) choose(one);
    else stopTimer?.();
    callbacks.onProvisional(response, one.hop);
  }

  function final(one: Try, response: SipMessage): void {
    const status = statusOf(response);
    if (status === 503 && one.heard <= 100) {
      memory.failed(one.hop, parseRetryAfter(response.first('retry-after') ?? ''));
    } else memory.answered(one.hop);
    const dialog = method === 'INVITE' && status < 300;
    if (!dialog && (!live.has(one) || goesOn(one, status))) {
      record(response, one.hop);
      return;
    }
    choose(one);
    over = true;
    callbacks.onFinal(response, one.hop);
  }

  /** Whether the outcome is up to others: this one has no capacity, or the request twice. */
  function goesOn(one: Try, status: number): boolean {
    // A stateful proxy says 100 before it knows whether it can take the request (RFC 3261 §16.2).
    const untaken = status === 503 && one.heard <= 100 && !cancelled;
    if (!untaken && status !== 482) return false;
    live.delete(one);
    return (untaken && next()) || live.size > 0;
  }

  function timedOut(one: Try): void {
    if (one.heard === 0) memory.failed(one.hop);
    if (!live.delete(one)) return;
    // RFC 3263 §4.3: only who said nothing at all is taken for dead.
    const again = one.heard === 0 && MAY_ARRIVE_TWICE.has(method);
    if ((again && next()) || live.size > 0) return;
    end(callbacks.onTimeout);
  }

  function unreachable(one: Try, reason: string): void {
    memory.failed(one.hop);
    if (!live.delete(one)) return;
    if (one.instead) {
      // RFC 3261 §18.1.1: where TCP is refused, by UDP after all, as RFC 2543 would have it.
      byUdp = one.instead;
      left.unshift(one.instead);
    }
    if (next() || live.size > 0) return;
    end(() => callbacks.onUnreachable(reason));
  }

  function end(tell: () => void): void {
    stopTimer?.();
    over = true;
    tell();
  }

  next();
}

function cancelTry({ octets, transaction }: Try): 'sent' | 'waiting' | 'late' {
  const cancel = cancelFor(octets);
  return cancel && transaction ? transaction.cancel(cancel) : 'late';
}

/** RFC 3261 §18.1.1: the same host and port by TCP, when we have an end for it there. */
function tcpInstead({ localFor, memory }: Context, hop: Hop): Hop | undefined {
  if (hop.transport !== 'udp') return undefined;
  const local = localFor('tcp', hop.host);
  const tcp: Hop | undefined =
    local === undefined ? undefined : { ...hop, transport: 'tcp', local };
  return tcp && !memory.isFailing(tcp) ? tcp : undefined;
}

function statusOf({ start }: SipMessage): number {
  return start.kind === 'response' ? start.status : 0;
}
