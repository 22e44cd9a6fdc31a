/** MSRP sessions by delivery: the engine's port to this endpoint. */
import type { Channels } from '../../deferral/channel.ts';
import { hex } from '../../engine/identity.ts';
import type { ChannelEnd } from '../../machines/delivery/effects.ts';
import { renderMsrpUri } from '../../wire/msrp/uri.ts';
import { type Cut, cutSessionIds, withoutCuts } from '../../wire/redaction.ts';
import type { EndpointSession, MsrpEndpoint } from './endpoint.ts';

/** RFC 4975 §14.1 asks for 80 bits of randomness; 128 (REF-4975-7). */
const SESSION_ID_OCTETS = 16;

interface Opened {
  readonly sessionId: string;
  /** Gives the announced id up. */
  readonly release: () => void;
  /** Paths of the peer by the form in which they are recorded: each fork has its own. */
  readonly paths: Map<string, readonly string[]>;
  session?: EndpointSession;
  /** As `open` was asked, with the path that is used. */
  peer?: ChannelEnd;
}

export function msrpChannels(options: {
  readonly endpoint: MsrpEndpoint;
  /** Address that peers are told in place of the one that is listened on. */
  readonly advertise?: string;
  random(octets: number): Uint8Array;
}): Channels {
  const { endpoint, random } = options;
  const host = options.advertise ?? endpoint.host;
  const opened = new Map<string, Opened>();

  function localUri(sessionId: string): string {
    return renderMsrpUri({
      scheme: 'msrp',
      host,
      port: endpoint.port,
      sessionId,
      transport: 'tcp',
    });
  }

  return {
    offer(delivery) {
      const known = opened.get(delivery);
      // An INVITE that is sent again after a 422 offers the same session.
      if (known) return { host, port: endpoint.port, sessionId: known.sessionId };
      const sessionId = hex(random(SESSION_ID_OCTETS));
      const release = endpoint.reserve(sessionId);
      opened.set(delivery, { sessionId, release, paths: new Map() });
      return { host, port: endpoint.port, sessionId };
    },
    conceal(delivery, path) {
      const shown = path.map(withoutSessionId);
      opened.get(delivery)?.paths.set(shown.join(' '), path);
      return shown;
    },
    open(delivery, end, on) {
      const known = opened.get(delivery);
      if (!known) {
        on.lost('the offer of this session is not from this process');
        return;
      }
      const remotePath = known.paths.get(end.path.join(' ')) ?? end.path;
      known.peer = { ...end, path: remotePath };
      const request = {
        localUri: localUri(known.sessionId),
        remotePath,
        on: {
          takenBack: (key: string, status: number) => on.takenBack(key, status),
          lost: (reason: string) => on.lost(reason),
        },
      };
      // RFC 6135: an active peer connects to us, else the offerer connects (RFC 4975 §5.4).
      const session =
        end.setup === 'active' ? endpoint.acceptSession(request) : endpoint.connectSession(request);
      known.session = session;
      void session.bound.then((binding) => {
        if (binding.bound) on.bound(binding.remote);
      });
    },
    peer: (delivery) => opened.get(delivery)?.peer,
    send(delivery, message) {
      const session = opened.get(delivery)?.session;
      if (session) return session.send(message);
      const reason = 'the session is closed';
      return Promise.resolve({ outcome: 'sessionLost', reason, sent: false });
    },
    close(delivery) {
      const known = opened.get(delivery);
      opened.delete(delivery);
      known?.release();
      void known?.session?.close();
    },
  };
}

function withoutSessionId(uri: string): string {
  const octets = new TextEncoder().encode(uri);
  const cuts: Cut[] = [];
  cutSessionIds(octets, 0, octets.length, cuts);
  return new TextDecoder().decode(withoutCuts(octets, cuts));
}
