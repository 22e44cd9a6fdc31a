/** Which MSRP session ids this endpoint knows, and where each of them stands. */
import { createHmac } from 'node:crypto';
import type { MsrpSession } from '../../wire/msrp/session.ts';
import { parseMsrpUri } from '../../wire/msrp/uri.ts';
import type { Connection } from './connection.ts';

export type Place =
  /** Offered to a peer that may connect before its answer reaches us; `parked` wait for that. */
  | { readonly kind: 'reserved'; readonly parked: Set<Connection> }
  /** Waits for the peer's first SEND; `bind` is told where it came from, unless that has a fault. */
  | {
      readonly kind: 'waiting';
      fault(connection: Connection): string | undefined;
      bind(connection: Connection): MsrpSession;
    }
  /** Has its connection, or connects: RFC 4975 §10.10, any other is refused with 506. */
  | {
      readonly kind: 'bound';
      readonly session: MsrpSession;
      /** Absent while it connects. */
      readonly connection?: Connection;
    };

export interface SessionTable {
  /** The place of the session that an MSRP URI names by its session-id. */
  find(uri: string): Place | undefined;
  /** Replaces whatever stood for this session id and lets parked connections look again. */
  put(sessionId: string, place: Place): void;
  /** Forgets the id, if `place` still stands for it. */
  remove(sessionId: string, place: Place): void;
}

/**
 * A session id is a secret (RFC 4975 §14.1). Ids are looked up by a keyed hash, so the time that a
 * look-up takes tells a guesser nothing about the ids that are there.
 */
export function sessionTable(secret: Uint8Array): SessionTable {
  const places = new Map<string, Place>();
  const digest = (id: string) => createHmac('sha256', secret).update(id).digest('base64');

  return {
    find(uri) {
      const sessionId = parseMsrpUri(uri)?.sessionId;
      return sessionId === undefined ? undefined : places.get(digest(sessionId));
    },
    put(sessionId, place) {
      const key = digest(sessionId);
      const before = places.get(key);
      places.set(key, place);
      if (before?.kind === 'reserved') for (const connection of before.parked) connection.unpark();
    },
    remove(sessionId, place) {
      const key = digest(sessionId);
      if (places.get(key) !== place) return;
      places.delete(key);
      if (place.kind === 'reserved') for (const connection of place.parked) connection.unpark();
    },
  };
}
