/** What passes through this server, put together. */
import type { Signals } from '../../../deferral/signals.ts';
import type { Clock, Identifiers } from '../../../engine/ports.ts';
import { within } from '../../../engine/within.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { OwnIdentity } from '../own-identity.ts';
import type { Router } from '../routing/route.ts';
import type { SendRequest } from '../routing/send-request.ts';
import type { Forwarding, ForwardSettings } from './forward-contract.ts';
import { forwardMessage } from './forward-message.ts';
import { ownRoute } from './own-route.ts';
import { passingOn } from './pass-on.ts';
import { relayInvites } from './relay-invite.ts';

/** 10 s of 200 messages a second to clients that say nothing, each of at most 64 KiB. */
const WAITING_MAX = 2_000;

export function openForwarding(context: {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly identity: OwnIdentity;
  readonly identifiers: Identifiers;
  readonly forwarding?: ForwardSettings;
  readonly router: Pick<Router, 'toTarget'>;
  readonly sendRequest: SendRequest;
  /** Whether what only the network may know can be told there. */
  isTrusted(hop: Hop): boolean;
  /** Our own ends as peers are told them, `host:port`. */
  listening(): readonly string[];
  timer(delayMs: number, callback: () => void): () => void;
  onFault(where: string, fault: unknown): void;
}): Forwarding {
  const { forwarding: settings } = context;
  const open = new Set<Promise<unknown>>();
  const passOn = passingOn({ ...context, own: ownRoute(context.listening) });
  return {
    relay: relayInvites({ ...context, passOn }),
    during(work) {
      open.add(work);
      return work.finally(() => open.delete(work));
    },
    waiting: () => open.size,
    isFull: () => open.size >= WAITING_MAX,
    async drain(withinMs) {
      await within(context.clock, withinMs, Promise.allSettled(open));
    },
    ...(settings ? { forwardMessage: forwardMessage({ ...context, passOn, settings }) } : {}),
  };
}
