import type { Signals } from '../../deferral/signals.ts';
import type { Submit } from '../../engine/input.ts';
import type { Clock, Digest, Identifiers, Views } from '../../engine/ports.ts';
import type { Evidence } from '../../engine/recorded.ts';
import type { Runner } from '../../engine/runner.ts';
import type { ChannelEnd } from '../../machines/delivery/effects.ts';
import type { Hop } from '../../wire/sip/hop.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import type { Requester } from './access/requester.ts';
import type { Verdict } from './answer.ts';
import type { ForwardedMessage, Forwarding, ForwardSettings } from './forward/forward-contract.ts';
import { hostPort } from './host-port.ts';
import type { OwnIdentity } from './own-identity.ts';
import type { Registration } from './registration/registration.ts';

/** What the observing side needs of the engine. */
export interface ObserveOptions {
  readonly submit: Submit;
  readonly runner: Pick<Runner, 'state'>;
  readonly views: Views;
  readonly clock: Clock;
  readonly digest: Digest;
  readonly identifiers: Identifiers;
  readonly signals: Signals;
  readonly identity: OwnIdentity;
  /** Domain whose subscribers are served, lower case. */
  readonly domain: string;
  /** Peers taken as the SIP/IP core. */
  trusted(address: string): boolean;
  /** New work is refused. */
  draining(): boolean;
  /** How a MESSAGE is passed on to a client that is there; absent: every MESSAGE is deferred. */
  readonly forwarding?: ForwardSettings;
  onForwarded?(told: ForwardedMessage): void;
}

/** What the pushes that are under way have said and heard. */
export interface PushSide {
  /** SDP of the push as it was offered; `undefined`: not by this process. */
  description(delivery: string): Uint8Array | undefined;
  /** A re-INVITE of ours with an offer has no answer yet. */
  isOffering(delivery: string): boolean;
  /** The client's end of the MSRP session; `undefined`: none was opened. */
  peer(delivery: string): ChannelEnd | undefined;
}

/**
 * Answers a request. The result sends the same octets again; `undefined`: they came too late and
 * were not sent (RFC 4320 §4.2).
 */
export type Respond = (verdict: Verdict) => (() => void) | undefined;

/** With what the agent knows of its own ends. */
export interface ObserveContext extends ObserveOptions {
  readonly passing: Forwarding;
  readonly registration: Pick<Registration, 'register' | 'notify'>;
  /** Submits facts until the log has taken them. */
  readonly tell: Submit;
  readonly push: PushSide;
  /** Our Contact as the peer of a request reaches it. */
  contact(source: Hop): string;
  /** Who a request that is being answered comes from. */
  requester(request: SipMessage): Requester;
  /** A To-tag that is the same for an INVITE and its CANCEL. */
  tagFor(request: SipMessage): string;
  onFault(where: string, fault: unknown): void;
}

export function evidenceOf(hop: Hop): Evidence {
  const { transport, local, host, port } = hop;
  return { protocol: 'sip', transport, local, remote: hostPort(host, port) };
}
