import {
  openSipTransports,
  type SipTransports,
  type TransportOptions,
} from '../../src/adapters/sip/transport/transport.ts';
import type { Clock } from '../../src/engine/ports.ts';
import type { Hop } from '../../src/wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../src/wire/sip/message.ts';

/** A clock of the host, for tests whose subject is not time. */
export const hostClock: Clock = {
  now: () => performance.now(),
  timer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

export interface TransportStage {
  readonly transports: SipTransports;
  readonly messages: { readonly message: SipMessage; readonly source: Hop }[];
  readonly refusals: { readonly refusal: Refusal; readonly source: Hop }[];
  readonly errors: { readonly where: string; readonly what: string }[];
  /** Calls back with each message as well. */
  onMessage: (message: SipMessage, source: Hop) => void;
}

/** Transports that take notes. */
export async function transportStage(
  listen: readonly string[],
  options: Omit<TransportOptions, 'listen'> & {
    readonly clock?: Clock;
    readonly trusted?: (address: string) => boolean;
  } = {},
): Promise<TransportStage> {
  const messages: { message: SipMessage; source: Hop }[] = [];
  const refusals: { refusal: Refusal; source: Hop }[] = [];
  const errors: { where: string; what: string }[] = [];
  const opened = await openSipTransports({
    ...options,
    listen,
    clock: options.clock ?? hostClock,
    trusted: options.trusted ?? (() => true),
    onMessage(message, source) {
      messages.push({ message, source });
      stage.onMessage(message, source);
    },
    onRefusal: (refusal, source) => refusals.push({ refusal, source }),
    onError: (error) => errors.push(error),
  });
  if (opened.kind === 'failed') throw new Error(opened.failures.join('; '));
  const stage: TransportStage = {
    transports: opened,
    messages,
    refusals,
    errors,
    onMessage: () => {},
  };
  return stage;
}

/** Resolves once `met` holds; throws after five seconds, which no passing test needs. */
export async function until(met: () => boolean): Promise<void> {
  for (let tries = 0; !met(); tries += 1) {
    if (tries > 1_000) throw new Error('it did not come about within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
