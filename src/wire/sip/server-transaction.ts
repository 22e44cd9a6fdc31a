import { type Hop, isReliable, responseHopOf } from './hop.ts';
import type { SipMessage } from './message.ts';
import type { TimerQueues, Wait } from './timer-queues.ts';
import type { Via } from './via.ts';

/** A request that came in and is to be answered. */
export interface ServerTransaction {
  readonly request: SipMessage;
  readonly source: Hop;
  /** A final response was given. */
  readonly answered: boolean;
  /**
   * Sends a response and keeps it for when the request comes again. Without effect (but counted)
   * after a final one, save further 2xx to an INVITE that was answered 2xx (RFC 6026 §7.1): false.
   */
  respond(octets: Uint8Array, status: number): boolean;
}

/** What the layer calls on a live server transaction. */
export interface ServerEntry {
  readonly transaction: ServerTransaction;
  /** The request came again. */
  repeated(): void;
}

export interface InviteServerEntry extends ServerEntry {
  /** False when the ACK belongs to a 2xx: it is the user's. */
  acknowledged(): boolean;
}

export interface ServerContext {
  readonly timers: TimerQueues;
  readonly t1Ms: number;
  readonly t2Ms: number;
  readonly t4Ms: number;
  /** How long an INVITE may stay without a final answer. */
  readonly inviteAnswerMaxMs: number;
  send(octets: Uint8Array, hop: Hop, transaction: ServerTransaction): void;
  /** The layer's own answer: 100, or 500 when the user gave none. */
  answer(request: SipMessage, source: Hop, status: number): Uint8Array;
  /** It has its final response, or will never have one. */
  answered(): void;
  /** A plain transaction has its final response. */
  completed(key: string, octets: Uint8Array, hop: Hop): void;
  ended(key: string): void;
  /** An answer that came too late to be sent. */
  surplus(): void;
  /** The user gave no final answer in time. */
  unanswered(): void;
  /** No ACK came within 64*T1 of a failure. */
  unacknowledged(transaction: ServerTransaction): void;
}

/** RFC 3261 §17.2.1: a 100 goes out unless the user answers within 200 ms. */
const TRYING_AFTER_MS = 200;
/** RFC 4320 §4.1: not to an INVITE it does when Timer E has become T2: after T1, 2*T1 and 4*T1. */
const PLAIN_TRYING_AFTER_T1 = 7;
/** Timer F of the client. */
const GIVEN_UP_AFTER_T1 = 64;

export interface Arrival {
  readonly key: string;
  readonly request: SipMessage;
  readonly source: Hop;
  readonly via: Via;
}

/**
 * The non-INVITE server transaction of RFC 3261 §17.2.2 up to its final response; what is kept
 * after it is the layer's. An answer later than 64*T1 would reach nobody, for the client has given
 * up (Timer F), and is not sent (RFC 4320 §4.2).
 */
export function plainServer(context: ServerContext, arrival: Arrival): ServerEntry {
  const { key, request, source, via } = arrival;
  const { timers, t1Ms } = context;
  let state: 'trying' | 'proceeding' | 'completed' | 'terminated' = 'trying';
  let last: Uint8Array | undefined;
  let hop: Hop | undefined;
  const transaction: ServerTransaction = {
    request,
    source,
    get answered() {
      return state === 'completed';
    },
    respond(octets, status) {
      if (state === 'completed' || state === 'terminated') {
        context.surplus();
        return false;
      }
      hop ??= responseHopOf(via, source);
      if (status < 200) {
        state = 'proceeding';
        last = octets;
      } else {
        state = 'completed';
        timers.cancel(wait);
        context.answered();
        context.completed(key, octets, hop);
      }
      context.send(octets, hop, transaction);
      return true;
    },
  };
  const giveUp = (): void => {
    state = 'terminated';
    context.answered();
    context.unanswered();
    context.ended(key);
  };
  const soothe = (): void => {
    const leftMs = (GIVEN_UP_AFTER_T1 - PLAIN_TRYING_AFTER_T1) * t1Ms;
    wait = timers.after(leftMs, giveUp, undefined);
    if (state === 'trying') transaction.respond(context.answer(request, source, 100), 100);
  };
  let wait: Wait = timers.after(PLAIN_TRYING_AFTER_T1 * t1Ms, soothe, undefined);
  return {
    transaction,
    repeated() {
      if (last !== undefined && hop !== undefined) context.send(last, hop, transaction);
    },
  };
}

/** The INVITE server transaction of RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1. */
export function inviteServer(context: ServerContext, arrival: Arrival): InviteServerEntry {
  const { key, request, source, via } = arrival;
  const { timers, t1Ms, t2Ms, t4Ms } = context;
  const hop = responseHopOf(via, source);
  let state: 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated' = 'proceeding';
  let last: Uint8Array | undefined;
  let repeatWait: Wait | undefined;
  let endWait: Wait | undefined;

  const stopWaits = (): void => {
    timers.cancel(tryingWait);
    timers.cancel(repeatWait);
    timers.cancel(endWait);
  };
  const terminate = (): void => {
    if (state === 'terminated') return;
    stopWaits();
    state = 'terminated';
    context.ended(key);
  };
  const giveUp = (): void => {
    terminate();
    context.unacknowledged(transaction);
  };
  const sendLast = (): void => {
    if (last !== undefined) context.send(last, hop, transaction);
  };
  const repeat = (intervalMs: number): void => {
    sendLast();
    const nextMs = Math.min(intervalMs * 2, t2Ms);
    repeatWait = timers.after(nextMs, repeat, nextMs);
  };
  const answer = (octets: Uint8Array, status: number): void => {
    last = octets;
    if (status >= 200) {
      stopWaits();
      context.answered();
      if (status < 300) {
        state = 'accepted';
        // Timer L (RFC 6026 §8.3).
        endWait = timers.after(64 * t1Ms, terminate, undefined);
      } else {
        state = 'completed';
        // Timers H and G (RFC 3261 §17.2.1).
        endWait = timers.after(64 * t1Ms, giveUp, undefined);
        if (!isReliable(hop)) repeatWait = timers.after(t1Ms, repeat, t1Ms);
      }
    } else timers.cancel(tryingWait);
    sendLast();
  };

  const transaction: ServerTransaction = {
    request,
    source,
    get answered() {
      return state !== 'proceeding';
    },
    respond(octets, status) {
      if (state === 'proceeding') answer(octets, status);
      else if (state === 'accepted' && status >= 200 && status < 300) {
        context.send(octets, hop, transaction);
      } else {
        context.surplus();
        return false;
      }
      return true;
    },
  };
  const tryingWait = timers.after(
    TRYING_AFTER_MS,
    () => transaction.respond(context.answer(request, source, 100), 100),
    undefined,
  );
  endWait = timers.after(
    context.inviteAnswerMaxMs,
    () => {
      context.unanswered();
      transaction.respond(context.answer(request, source, 500), 500);
    },
    undefined,
  );

  return {
    transaction,
    repeated() {
      // RFC 6026 §7.1: in Accepted the user itself repeats the 2xx, so the INVITE is absorbed.
      if (state === 'proceeding' || state === 'completed') sendLast();
    },
    acknowledged() {
      if (state === 'accepted') return false;
      if (state === 'completed') {
        stopWaits();
        state = 'confirmed';
        // Timer I: T4 on UDP, none on reliable transports (RFC 3261 §17.2.1).
        if (isReliable(hop)) terminate();
        else endWait = timers.after(t4Ms, terminate, undefined);
      }
      return true;
    },
  };
}
