/** Everything that finds a way and sends: one memory of dead hops, one of names. */
import type { Signals } from '../../../deferral/signals.ts';
import type { Clock } from '../../../engine/ports.ts';
import { locate } from '../../../wire/sip/locate.ts';
import type { TransactionLayer } from '../../../wire/sip/transaction.ts';
import { dnsLookup } from './dns-lookup.ts';
import { hopMemory } from './hop-memory.ts';
import { type Router, type RouterOptions, router } from './route.ts';
import { requestSender, type SendRequest } from './send-request.ts';

export interface Routing {
  readonly router: Router;
  readonly sendRequest: SendRequest;
  close(): void;
}

/** `clock`: steady. `dnsServers` absent: those of the system. */
export function openRouting(
  options: Omit<RouterOptions, 'locate' | 'ordered'> & {
    readonly dnsServers?: readonly string[];
    readonly clock: Clock;
    readonly signals: Signals;
    layer(): TransactionLayer;
  },
): Routing {
  const { layer, signals, localFor, clock, dnsServers = [] } = options;
  const lookup = dnsLookup({ servers: dnsServers, clock });
  const memory = hopMemory(clock.now);
  return {
    router: router({
      ...options,
      ordered: memory.ordered,
      locate: (uri, canSend) => locate(uri, { lookup, canSend, random: Math.random }),
    }),
    sendRequest: requestSender({ layer, signals, memory, localFor }),
    close: lookup.close,
  };
}
