/** MSRP sessions that were announced in a description, by the delivery or deposit that they are for. */
import type { ChannelOffer } from '../../deferral/channel.ts';
import { hex } from '../../engine/identity.ts';
import { renderMsrpUri } from '../../wire/msrp/uri.ts';
import { type Cut, cutSessionIds, withoutCuts } from '../../wire/redaction.ts';
import type { MsrpEndpoint, SessionRequest } from './endpoint.ts';

/** RFC 4975 §14.1 asks for 80 bits of randomness; 128 (REF-4975-7). */
const SESSION_ID_OCTETS = 16;

export interface SessionOffersOptions {
  readonly endpoint: MsrpEndpoint;
  /** Address that peers are told in place of the one that is listened on. */
  readonly advertise?: string;
  random(octets: number): Uint8Array;
}

/** What the peer's description said, as the log has it: session ids are cut. */
export interface ConcealedEnd {
  readonly path: readonly string[];
}

export interface SessionOffers {
  /** The same whenever it is asked for again. */
  offer(name: string, tls?: boolean): ChannelOffer;
  /** Keeps a path of the peer, and returns the form of it that may be recorded. */
  conceal(name: string, path: readonly string[], fingerprint?: string): readonly string[];
  /** What a session needs that was offered by this process. */
  taken(name: string, end: ConcealedEnd): Taken | undefined;
  /** Gives the announced id up. */
  release(name: string): void;
}

export type Taken = Pick<SessionRequest, 'localUri' | 'remotePath' | 'peerFingerprint'>;

interface Offered extends ChannelOffer {
  readonly release: () => void;
  /** By the form in which it is recorded: each fork has its own. */
  readonly ends: Map<string, { readonly path: readonly string[]; readonly fingerprint?: string }>;
}

export function sessionOffers(options: SessionOffersOptions): SessionOffers {
  const { endpoint, random, advertise } = options;
  const offered = new Map<string, Offered>();

  function announce(tls: boolean): Offered {
    const sessionId = hex(random(SESSION_ID_OCTETS));
    const host = advertise ?? endpoint.host;
    const secure = tls ? endpoint.tls : undefined;
    return {
      ...{ host, sessionId, port: secure?.port ?? endpoint.port },
      ...(secure ? { fingerprint: secure.fingerprint() } : {}),
      release: endpoint.reserve(sessionId),
      ends: new Map(),
    };
  }

  return {
    offer(name, tls = false) {
      // An INVITE that is sent again after a 422 offers the same session.
      const made = offered.get(name) ?? announce(tls);
      offered.set(name, made);
      const { host, port, sessionId, fingerprint } = made;
      return { host, port, sessionId, ...(fingerprint === undefined ? {} : { fingerprint }) };
    },
    conceal(name, path, fingerprint) {
      const shown = path.map(withoutSessionId);
      const end = fingerprint === undefined ? { path } : { path, fingerprint };
      offered.get(name)?.ends.set(shown.join(' '), end);
      return shown;
    },
    taken(name, { path }) {
      const made = offered.get(name);
      if (!made) return undefined;
      const end = made.ends.get(path.join(' '));
      const { host, port, sessionId, fingerprint } = made;
      const scheme = fingerprint === undefined ? 'msrp' : 'msrps';
      return {
        localUri: renderMsrpUri({ scheme, host, port, sessionId, transport: 'tcp' }),
        remotePath: end?.path ?? path,
        ...(end?.fingerprint === undefined ? {} : { peerFingerprint: end.fingerprint }),
      };
    },
    release(name) {
      offered.get(name)?.release();
      offered.delete(name);
    },
  };
}

function withoutSessionId(uri: string): string {
  const octets = new TextEncoder().encode(uri);
  const cuts: Cut[] = [];
  cutSessionIds(octets, 0, octets.length, cuts);
  return new TextDecoder().decode(withoutCuts(octets, cuts));
}
