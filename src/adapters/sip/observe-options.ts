import type { Signals } from '../../deferral/signals.ts';
import type { Submit } from '../../engine/input.ts';
import type { Clock, Digest, Identifiers, Views } from '../../engine/ports.ts';
import type { Runner } from '../../engine/runner.ts';
import type { OwnIdentity } from './own-identity.ts';

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
}
