/**
 * An IM server that keeps messages for those who are away: its own transport, our engine.
 * `phone` stands for that transport: here it is a client that takes every push.
 */
import { randomBytes } from 'node:crypto';
import {
  createDeferral,
  hostClock,
  hostDigest,
  mailboxStream,
  openLmdbStore,
  projections,
} from 'restante';
import { phone } from './phone.ts';

export async function embed(dir: string, said: (line: string) => void): Promise<void> {
  const store = await openLmdbStore({ dir, projections });
  const deferral = await createDeferral({
    store,
    views: store,
    clock: hostClock,
    digest: hostDigest,
    node: 'im1.example.org',
    secret: randomBytes(32), // keep it beside the store: re-deliveries are recognised by it
    onFault: (where, fault) => said(`fault in ${where}: ${fault}`),
  });
  const alice = phone(deferral.submit, said);
  await deferral.start(alice.transports);
  const deferred = await deferral.submit(mailboxStream('sip:alice@example.org'), alice.message());
  said(`deferred: ${deferred.outcome}`); // in the log and flushed: the sender may be told so now
  await deferral.submit(mailboxStream('sip:alice@example.org'), alice.registration());
  await alice.hungUp;
  await deferral.close();
  await store.close();
}
