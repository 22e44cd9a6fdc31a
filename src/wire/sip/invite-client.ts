import type {
  ClientCallbacks,
  ClientContext,
  ClientEntry,
  ClientRequest,
  ClientState,
} from './client-transaction.ts';
import { type Hop, isReliable, type SendResult } from './hop.ts';
import { ackForFailure } from './invite-requests.ts';
import { parseSip, type SipMessage } from './message.ts';
import type { Wait } from './timer-queues.ts';

/** The INVITE client transaction of RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2. */
export function inviteClient(
  context: ClientContext,
  request: ClientRequest,
  hop: Hop,
  callbacks: ClientCallbacks,
): ClientEntry {
  const { timers, t1Ms } = context;
  let state: ClientState = 'calling';
  let repeatWait: Wait | undefined;
  let endWait: Wait | undefined;
  let cancelOctets: Uint8Array | undefined;
  let ack: Uint8Array | undefined;

  const stopWaits = (): void => {
    timers.cancel(repeatWait);
    timers.cancel(endWait);
  };
  const terminate = (): void => {
    if (state === 'terminated') return;
    stopWaits();
    state = 'terminated';
    context.ended(entry);
  };
  const timeOut = (): void => {
    terminate();
    callbacks.onTimeout();
  };
  const sent = (result: SendResult): void => {
    // Once a response came the peer is known to be reachable: a late failure says nothing.
    if (result.sent || state !== 'calling') return;
    terminate();
    callbacks.onUnreachable(result.reason);
  };
  // Timer A doubles without a cap (RFC 3261 §17.1.1.2).
  const repeat = (intervalMs: number): void => {
    context.send(request.octets, hop, sent);
    repeatWait = timers.after(intervalMs * 2, repeat, intervalMs * 2);
  };
  const sendCancel = (octets: Uint8Array): void => {
    context.sendCancel(octets, request.branch, hop);
    callbacks.onCancelSent?.(octets);
    // RFC 3261 §9.1: without a final response the INVITE counts as cancelled after 64*T1.
    endWait = timers.after(64 * t1Ms, timeOut, undefined);
  };
  const acknowledge = (response: SipMessage): void => {
    if (ack === undefined) {
      const invite = parseSip(request.octets, 'exact');
      if (invite.kind === 'message') ack = ackForFailure(invite.message, response);
    }
    if (ack !== undefined) context.send(ack, hop, () => {});
  };
  const proceed = (response: SipMessage): void => {
    if (state === 'proceeding') {
      callbacks.onProvisional(response);
      return;
    }
    stopWaits();
    state = 'proceeding';
    const waiting = cancelOctets;
    callbacks.onProvisional(response);
    if (waiting !== undefined) sendCancel(waiting);
  };
  const accept = (response: SipMessage): void => {
    if (state !== 'accepted') {
      stopWaits();
      state = 'accepted';
      // Timer M (RFC 6026 §8.4).
      endWait = timers.after(64 * t1Ms, terminate, undefined);
    }
    callbacks.onFinal(response);
  };
  const complete = (response: SipMessage): void => {
    stopWaits();
    state = 'completed';
    acknowledge(response);
    // Timer D: 32 s on UDP, none on reliable transports (RFC 3261 §17.1.1.2).
    if (isReliable(hop)) terminate();
    else endWait = timers.after(64 * t1Ms, terminate, undefined);
    callbacks.onFinal(response);
  };

  const entry: ClientEntry = {
    transaction: {
      method: request.method,
      branch: request.branch,
      hop,
      get state() {
        return state;
      },
      cancel(octets) {
        if (state !== 'calling' && state !== 'proceeding') return 'late';
        const repeated = cancelOctets !== undefined;
        cancelOctets = octets;
        if (state === 'calling') return 'waiting';
        if (!repeated) sendCancel(octets);
        return 'sent';
      },
    },
    begin() {
      // Timer B (RFC 3261 §17.1.1.2).
      endWait = timers.after(64 * t1Ms, timeOut, undefined);
      if (!isReliable(hop)) repeatWait = timers.after(t1Ms, repeat, t1Ms);
      context.send(request.octets, hop, sent);
    },
    receive(response, status) {
      if (state === 'calling' || state === 'proceeding') {
        if (status < 200) proceed(response);
        else if (status < 300) accept(response);
        else complete(response);
        return true;
      }
      if (state === 'accepted' && status >= 200 && status < 300) accept(response);
      else if (state === 'completed' && status >= 300) acknowledge(response);
      // A 2xx after a failure comes from another fork: the user must end its dialog.
      else return status < 200 || status >= 300;
      return true;
    },
  };

  return entry;
}
