import type {
  ClientCallbacks,
  ClientContext,
  ClientEntry,
  ClientRequest,
  ClientState,
} from './client-transaction.ts';
import { type Hop, isReliable, type SendResult } from './hop.ts';
import type { SipMessage } from './message.ts';
import type { Wait } from './timer-queues.ts';

/** The non-INVITE client transaction of RFC 3261 §17.1.2. */
export function plainClient(
  context: ClientContext,
  request: ClientRequest,
  hop: Hop,
  callbacks: ClientCallbacks,
): ClientEntry {
  const { timers, t1Ms, t2Ms, t4Ms } = context;
  let state: ClientState = 'trying';
  let repeatWait: Wait | undefined;
  let endWait: Wait | undefined;

  const terminate = (): void => {
    if (state === 'terminated') return;
    timers.cancel(repeatWait);
    timers.cancel(endWait);
    state = 'terminated';
    context.ended(entry);
  };
  const timeOut = (): void => {
    terminate();
    callbacks.onTimeout();
  };
  const sent = (result: SendResult): void => {
    if (result.sent || state !== 'trying') return;
    terminate();
    callbacks.onUnreachable(result.reason);
  };
  // Timer E doubles up to T2, and is T2 once a 1xx came (RFC 3261 §17.1.2.2).
  const repeat = (intervalMs: number): void => {
    // The first may have arrived: were the request unreachable now, it would be tried elsewhere.
    context.send(request.octets, hop, () => {});
    const nextMs = state === 'proceeding' ? t2Ms : Math.min(intervalMs * 2, t2Ms);
    repeatWait = timers.after(nextMs, repeat, nextMs);
  };
  const complete = (response: SipMessage): void => {
    timers.cancel(repeatWait);
    timers.cancel(endWait);
    state = 'completed';
    // Timer K: T4 on UDP, none on reliable transports (RFC 3261 §17.1.2.2).
    if (isReliable(hop)) terminate();
    else endWait = timers.after(t4Ms, terminate, undefined);
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
      cancel: () => 'late',
    },
    begin() {
      // Timer F (RFC 3261 §17.1.2.2).
      endWait = timers.after(64 * t1Ms, timeOut, undefined);
      if (!isReliable(hop)) repeatWait = timers.after(t1Ms, repeat, t1Ms);
      context.send(request.octets, hop, sent);
    },
    receive(response, status) {
      if (state === 'completed') return true;
      if (status < 200) {
        // Timer F goes on: a 1xx does not put off the end (RFC 3261 §17.1.2.2).
        state = 'proceeding';
        callbacks.onProvisional(response);
      } else complete(response);
      return true;
    },
  };

  return entry;
}
