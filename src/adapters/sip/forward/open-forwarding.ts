/** What passes through this server, put together. */
import type { Signals } from '../../../deferral/signals.ts';
import type { Clock, Identifiers } from '../../../engine/ports.ts';
import type { OwnIdentity } from '../own-identity.ts';
import type { Router } from '../routing/route.ts';
import type { SendRequest } from '../routing/send-request.ts';
import { type ForwardMessage, type ForwardSettings, forwardMessage } from './forward-message.ts';
import { ownRoute } from './own-route.ts';
import { passingOn } from './pass-on.ts';
import { type RelayInvite, relayInvites } from './relay-invite.ts';

/** What became of a MESSAGE that was passed on, or was to be, and the status that decided it. */
export interface ForwardedMessage {
  /**
   * `relayed`: its sender has the client's answer. `deferred`: it is kept. `looped`: the core handed
   * our own back. `withdrawn`: a late 2xx took it out of the mailbox; `twice`: it came too late.
   */
  readonly outcome: 'relayed' | 'deferred' | 'looped' | 'withdrawn' | 'twice';
  readonly status: number;
}

export interface Forwarding {
  readonly relay: RelayInvite;
  /** Absent: every MESSAGE is deferred. */
  readonly forwardMessage?: ForwardMessage;
}

export function openForwarding(context: {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly identity: OwnIdentity;
  readonly identifiers: Identifiers;
  readonly forwarding?: ForwardSettings;
  readonly router: Pick<Router, 'toTarget'>;
  readonly sendRequest: SendRequest;
  trusted(address: string): boolean;
  /** Our own ends as peers are told them, `host:port`. */
  listening(): readonly string[];
  timer(delayMs: number, callback: () => void): () => void;
}): Forwarding {
  const { forwarding: settings } = context;
  const passOn = passingOn({ ...context, own: ownRoute(context.listening) });
  return {
    relay: relayInvites({ ...context, passOn }),
    ...(settings ? { forwardMessage: forwardMessage({ ...context, passOn, settings }) } : {}),
  };
}
