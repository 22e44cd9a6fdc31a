/** MSRP sessions by which senders leave messages: the engine's port to this endpoint. */
import type {
  DepositCallbacks,
  DepositChannels,
  ReceivedMessage,
} from '../../deferral/deposit-channel.ts';
import type { BlobStore, Clock } from '../../engine/ports.ts';
import type { IncomingMessage } from '../../wire/msrp/incoming.ts';
import type { EndpointSession, MsrpEndpoint } from './endpoint.ts';
import { type IncomingBody, incomingBody } from './incoming-body.ts';
import { sessionOffers } from './session-offers.ts';

export interface MsrpDepositsOptions {
  readonly endpoint: MsrpEndpoint;
  /** Address that peers are told in place of the one that is listened on. */
  readonly advertise?: string;
  readonly blobs: BlobStore;
  /** Steady, like that of the endpoint. */
  readonly clock: Clock;
  /** `large.idleTimeout`: without an octet for so long, a session is ended. */
  readonly idleMs: number;
  random(octets: number): Uint8Array;
  /** Whether a message of the largest size would find room. */
  hasRoom(): Promise<boolean>;
  onFault(where: string, fault: unknown): void;
}

interface Open {
  session: EndpointSession | undefined;
  stopIdle(): void;
  /** We ended it: nobody is told. */
  closed: boolean;
}

export function msrpDeposits(options: MsrpDepositsOptions): DepositChannels {
  const { endpoint, blobs, clock, idleMs, onFault } = options;
  const offers = sessionOffers(options);
  const opened = new Map<string, Open>();

  async function received(
    { sink, messageId, contentType, bytes, head, headTid, chunks }: IncomingMessage<IncomingBody>,
    on: DepositCallbacks,
  ): Promise<200 | 413> {
    const sealed = await sink.seal(bytes);
    if (sealed.outcome !== 'sealed') {
      const reason = `the body could not be kept: ${sealed.reason}`;
      on.aborted({ messageId, bytes, reason });
      return 413;
    }
    try {
      // One SEND cannot hold its own end-line.
      const endLineOccurs = chunks > 1 && (await sink.hasEndLine(headTid, sealed));
      const { sha256, octets: body } = sealed;
      const message: ReceivedMessage = {
        ...{ messageId, contentType, bytes, sha256, head, chunks, endLineOccurs },
        ...(body === undefined ? {} : { body }),
      };
      return await on.completed(message);
    } finally {
      sealed.release();
    }
  }

  /** One look at a time: nothing is armed for each octet that comes. */
  function watchIdle(session: EndpointSession, on: DepositCallbacks): () => void {
    let cancel = (): void => {};
    const look = (afterMs: number): void => {
      cancel = clock.timer(afterMs, () => {
        const quietMs = clock.now() - session.quietSince();
        if (quietMs < idleMs) return look(idleMs - quietMs);
        // Before the ACK it changes nothing: it is told again as long as the session is open.
        look(idleMs);
        if (session.session.unanswered === 0) on.idle(quietMs);
      });
    };
    look(idleMs);
    return () => cancel();
  }

  return {
    offer: offers.offer,
    conceal: offers.conceal,
    hasRoom: options.hasRoom,
    open(deposit, end, on) {
      const made = offers.taken(deposit, end);
      if (!made) return on.lost('the offer of this session is not from this process');
      const open: Open = { closed: false, stopIdle: () => {}, session: undefined };
      const request = {
        ...made,
        on: {
          begin: () => incomingBody(blobs, () => open.session?.room()),
          message(message: IncomingMessage<IncomingBody>, answer: (status: number) => void) {
            received(message, on)
              .catch((fault: unknown): 413 => {
                const { messageId, bytes } = message;
                onFault(`message ${messageId} of deposit ${deposit}`, fault);
                on.aborted({ messageId, bytes, reason: `it could not be kept: ${fault}` });
                return 413;
              })
              .then(answer);
          },
          aborted: on.aborted,
          lost(reason: string) {
            open.stopIdle();
            if (!open.closed) on.lost(reason);
          },
        },
      };
      const session =
        end.setup === 'active' ? endpoint.acceptSession(request) : endpoint.connectSession(request);
      open.session = session;
      open.stopIdle = watchIdle(session, on);
      opened.set(deposit, open);
      void session.bound.then((binding) => {
        if (binding.bound) on.bound(binding.remote);
      });
    },
    close(deposit) {
      const open = opened.get(deposit);
      opened.delete(deposit);
      offers.release(deposit);
      if (!open) return;
      open.closed = true;
      open.stopIdle();
      open.session?.close().catch((fault: unknown) => onFault(`deposit ${deposit}`, fault));
    },
  };
}
