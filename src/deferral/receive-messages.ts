/** Opens the MSRP session of a deposit; what comes by it comes back as inputs. */
import type { Outcome, Submit } from '../engine/input.ts';
import { reasonOf } from '../engine/judge.ts';
import type { Clock, Effect, EventStore, Identifiers } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type {
  DepositOfferedData,
  MessageCompletedData,
  SenderEnd,
} from '../machines/deposit/events.ts';
import { parsePriority } from '../wire/sip/headers.ts';
import { parseSip } from '../wire/sip/message.ts';
import { DEFERRED_AGE_MAX_MS } from './deposit.ts';
import type { DepositCallbacks, DepositChannels, ReceivedMessage } from './deposit-channel.ts';
import { packLarge } from './large-record.ts';

export interface ReceiveOptions {
  /** Facts are told until the log has taken them. */
  readonly tell: Submit;
  /** What has an answer waits no longer than its sender. */
  readonly submit: Submit;
  readonly store: EventStore;
  readonly clock: Clock;
  readonly channels: DepositChannels;
  readonly identifiers: Pick<Identifiers, 'messageId'>;
  /** Our 2xx to the INVITE of a session of this process, as it was on the wire. */
  answerOf(deposit: string): Uint8Array | undefined;
  closed(deposit: string): void;
  onFault(where: string, fault: unknown): void;
}

const NO_OCTETS = new Uint8Array(0);

export function receiveMessages(options: ReceiveOptions) {
  const { tell, submit, store, clock, channels, identifiers } = options;
  /** Senders that wait for what becomes of a message, by its Message-ID. */
  const waiting = new Map<string, (outcome: Outcome) => void>();

  /** What the INVITE says of every message of the session. */
  async function offered(
    stream: string,
  ): Promise<Pick<MessageCompletedData, 'account' | 'priority'>> {
    for await (const { data, octets = NO_OCTETS } of store.read(stream, { limit: 1 })) {
      const { account } = data as DepositOfferedData;
      const parsed = parseSip(octets, 'exact');
      const priority =
        parsed.kind === 'message' ? parsePriority(parsed.message.first('priority')) : 'normal';
      return priority === 'normal' ? { account } : { account, priority };
    }
    throw new Error(`${stream} has no offer: run restante doctor`);
  }

  async function completed(
    stream: string,
    message: ReceivedMessage,
    causation: string,
  ): Promise<Outcome> {
    // Stamped before anything is waited for: that is when the message was whole.
    const at = clock.now();
    const { messageId, contentType, bytes, sha256, head, body, chunks, endLineOccurs } = message;
    const id = identifiers.messageId();
    const answer = options.answerOf(parseStreamName(stream).id) ?? NO_OCTETS;
    const { octets, parts } = packLarge(answer, head, body);
    const data: MessageCompletedData = {
      ...(await offered(stream)),
      ...{ id, messageId, contentType, bytes, sha256, parts, chunks },
      ...(endLineOccurs ? { endLineOccurs } : {}),
      expiresAt: at + DEFERRED_AGE_MAX_MS,
    };
    const deferred = new Promise<Outcome>((resolve) => waiting.set(id, resolve));
    const input = {
      type: 'MessageCompleted',
      at,
      data,
      cause: `completed ${id}`,
      octets,
      causation,
    };
    const outcome = await submit(stream, input);
    if (outcome.outcome === 'accepted') return deferred;
    waiting.delete(id);
    return outcome;
  }

  function callbacks(stream: string, effect: Effect): DepositCallbacks {
    function fact(type: string, data: unknown, cause: string): void {
      const input = { type, at: clock.now(), data, cause, causation: effect.id };
      tell(stream, input).catch((fault: unknown) => options.onFault(effect.id, fault));
    }
    let aborted = 0;
    return {
      bound: (remote) => fact('ChannelBound', { remote }, `bound ${effect.id}`),
      async completed(message) {
        const fate = await completed(stream, message, effect.id).catch(
          (fault: unknown): Outcome => {
            options.onFault(effect.id, fault);
            return { outcome: 'unknown', reason: reasonOf(fault) };
          },
        );
        // T-01: the 200 is the answer to the message's own event.
        if (fate.outcome === 'accepted' || fate.outcome === 'ignored') return 200;
        if (fate.outcome === 'unknown') {
          // a session whose messages cannot be kept is ended. This answer is still given.
          channels.close(parseStreamName(stream).id);
          const reason = `a message could not be kept: ${fate.reason}`;
          fact('ChannelLost', { reason }, `kept nothing ${effect.id}`);
        }
        return 413;
      },
      aborted(message) {
        aborted += 1;
        fact('DepositAborted', message, `aborted ${aborted} ${effect.id}`);
      },
      idle: (idleMs) => fact('IdleElapsed', { idleMs }, `idle ${effect.id}`),
      lost: (reason) => fact('ChannelLost', { reason }, `lost ${effect.id}`),
    };
  }

  return {
    /** What became of a message is what its sender is told. */
    deferred(id: string, outcome: Outcome): void {
      waiting.get(id)?.(outcome);
      waiting.delete(id);
    },
    async openChannel(effect: Effect): Promise<void> {
      const { stream } = effect.event;
      const end = effect.params as SenderEnd;
      channels.open(parseStreamName(stream).id, end, callbacks(stream, effect));
    },
    async closeChannel({ event }: Effect): Promise<void> {
      const deposit = parseStreamName(event.stream).id;
      channels.close(deposit);
      options.closed(deposit);
    },
  };
}
