/** MSRP sessions by delivery: the engine's port to this endpoint. */
import type { Channels } from '../../deferral/channel.ts';
import type { ChannelEnd } from '../../machines/delivery/effects.ts';
import type { EndpointSession } from './endpoint.ts';
import { type SessionOffersOptions, sessionOffers } from './session-offers.ts';

/**
 * Body of one chunk that goes by relays: they take whole frames, of which RFC 4975 §7.1.1 has 2,048
 * octets in any case.
 */
const RELAYED_CHUNK_BYTES = 2_048;

interface Opened {
  readonly session: EndpointSession;
  /** As `open` was asked, with the path that is used. */
  readonly peer: ChannelEnd;
}

export function msrpChannels(options: SessionOffersOptions & { readonly tls?: boolean }): Channels {
  const { endpoint, tls = false } = options;
  const offers = sessionOffers(options);
  const opened = new Map<string, Opened>();

  return {
    offer: (delivery) => offers.offer(delivery, tls),
    conceal: offers.conceal,
    open(delivery, end, on) {
      const made = offers.taken(delivery, end);
      if (!made) {
        on.lost('the offer of this session is not from this process');
        return;
      }
      const request = {
        ...made,
        ...(made.remotePath.length > 1 ? { chunkBytes: RELAYED_CHUNK_BYTES } : {}),
        on: {
          takenBack: (key: string, status: number) => on.takenBack(key, status),
          lost: (reason: string) => on.lost(reason),
        },
      };
      // RFC 6135: an active peer connects to us, else the offerer connects (RFC 4975 §5.4).
      const session =
        end.setup === 'active' ? endpoint.acceptSession(request) : endpoint.connectSession(request);
      opened.set(delivery, { session, peer: { ...end, path: made.remotePath } });
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
      offers.release(delivery);
      void known?.session.close();
    },
  };
}
