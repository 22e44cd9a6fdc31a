/**
 * Pushes the snapshot of a delivery: one MSRP message for each deferred one, in log order
 * (IM-11.3.2.7-1…8). What became of each comes back as an input; BYE is the chart's decision.
 */
import type { Submit } from '../engine/input.ts';
import { reasonOf } from '../engine/judge.ts';
import type { BlobStore, Clock, Digest, Effect, EventStore, Views } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DeliveryEffect } from '../machines/delivery/effects.ts';
import type { PushedMessage, PushFailedData } from '../machines/delivery/events.ts';
import { type MessageRow, messageView } from '../projections/waiting-messages.ts';
import type { PushOutcome } from '../wire/msrp/sender.ts';
import { type BuiltMessage, buildMessage } from './built-message.ts';
import type { Channels } from './channel.ts';
import {
  newestWaiting,
  type RevisionRange,
  snapshotOf,
  type WaitingMessage,
  waitingWithin,
} from './snapshot.ts';

/** Bodies built and not yet answered; the session itself keeps `push.window` (32) in the air. */
export const PUSHES_AHEAD_MAX = 64;
/** RFC 4975 §10.5: that type must not be sent again in this session. */
const UNSUPPORTED_MEDIA = 415;

export interface PushOptions {
  readonly submit: Submit;
  readonly views: Views;
  readonly store: EventStore;
  readonly blobs: BlobStore | undefined;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly secret: Uint8Array;
  readonly channels: Channels;
  onFault(where: string, fault: unknown): void;
}

type PushParams = Extract<DeliveryEffect, { name: 'pushMessages' }>['params'];

/** Resolves when every message has its outcome, or the session cannot go on. */
export async function pushMessages(options: PushOptions, effect: Effect): Promise<void> {
  const params = effect.params as PushParams;
  const { account, through } = params;
  const push = pushOf(options, effect, params);
  try {
    let range: RevisionRange = { after: -1, through };
    let type: 'SnapshotTaken' | 'SnapshotExtended' = 'SnapshotTaken';
    // Messages that arrive meanwhile join, while the chart still pushes.
    for (;;) {
      if (!(await push.announce(type, range)) || !(await push.sendAll(range))) break;
      const newest = await newestWaiting(options.views, account);
      if (newest === undefined || newest <= range.through) break;
      range = { after: range.through, through: newest };
      type = 'SnapshotExtended';
    }
  } catch (fault) {
    await push.lose(fault);
  }
  await push.settled();
}

function pushOf(options: PushOptions, effect: Effect, params: PushParams) {
  const { account, maxSize = Number.POSITIVE_INFINITY, encapsulation = 'auto' } = params;
  const { submit, views, digest, clock, channels, onFault } = options;
  const { stream } = effect.event;
  const delivery = parseStreamName(stream).id;
  const ahead = new Set<Promise<void>>();
  let wrapperRefused = false;
  let over = false;

  function fact(type: string, data: unknown, cause: string) {
    return submit(stream, { type, at: clock.now(), data, cause, causation: effect.id });
  }

  async function announce(type: string, range: RevisionRange): Promise<boolean> {
    const data = await snapshotOf(views, digest, account, range);
    const { outcome } = await fact(type, data, `${type} ${range.through}`);
    return outcome === 'accepted' && data.count > 0;
  }

  function failed(
    message: PushedMessage,
    how: Pick<PushFailedData, 'outcome' | 'reason' | 'status' | 'attempt' | 'notAcceptable'>,
  ) {
    return fact('PushFailed', { ...message, ...how }, `failed ${message.id}`);
  }

  async function build(row: MessageRow, id: string): Promise<BuiltMessage | string> {
    const built = await buildMessage({ ...options, encapsulation }, row, id);
    // The client would only answer 413 (RFC 4975 §10.5).
    const isTooLarge = typeof built !== 'string' && built.bytes > maxSize;
    return isTooLarge ? `larger than the client takes (${maxSize} octets)` : built;
  }

  /** Nothing more can be pushed: the delivery ends, and the next one tries again. */
  async function lose(fault: unknown): Promise<void> {
    over = true;
    onFault(effect.id, fault);
    channels.close(delivery);
    await fact('ChannelLost', { reason: reasonOf(fault) }, `lost ${effect.id}`);
  }

  async function settle(message: PushedMessage, messageId: string, outcome: PushOutcome) {
    switch (outcome.outcome) {
      case 'acknowledged':
        await fact('PushAcknowledged', { ...message, messageId }, `acknowledged ${message.id}`);
        return;
      case 'failed': {
        const { status, sent } = outcome;
        wrapperRefused ||= status === UNSUPPORTED_MEDIA;
        const reason = `MSRP ${status}`;
        const how = sent ? ('failed' as const) : ('unsent' as const);
        await failed(message, { outcome: how, reason, status, attempt: sent });
        return;
      }
      case 'unreadable':
        onFault(effect.id, `${message.id}: ${outcome.reason}`);
        await failed(message, {
          outcome: outcome.sent ? 'failed' : 'unsent',
          reason: outcome.reason,
          attempt: true,
        });
        return;
      // The session is over: ChannelLost says it once for all that is open.
      case 'timeout':
      case 'sessionLost':
        over = true;
    }
  }

  function send(id: string, { messageId, contentType, body }: BuiltMessage): Promise<PushOutcome> {
    try {
      return channels.send(delivery, { key: id, messageId, contentType, body });
    } catch (fault) {
      return Promise.reject(fault);
    }
  }

  async function sendOne({ id, revision }: WaitingMessage): Promise<void> {
    const row = await views.get(messageView, id);
    if (!row)
      throw new Error(`message ${id} waits in ${account} but has no row: rebuild the views`);
    const { bytes, expiresAt, source } = row;
    const message: PushedMessage = {
      account,
      id,
      revision,
      bytes,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(source === undefined ? {} : { source }),
    };
    const unsent = (reason: string) =>
      failed(message, { outcome: 'unsent', reason, attempt: false });
    if (wrapperRefused) return void (await unsent('wrapper refused'));
    if (expiresAt !== undefined && expiresAt <= clock.now()) return void (await unsent('expired'));
    if (source !== undefined && params.refusesLarge) {
      // Another client may take it: no attempt that leads to its being parked.
      const reason = 'the client takes no message/msrp';
      const how = { outcome: 'unsent', reason, attempt: false, notAcceptable: true } as const;
      return void (await failed(message, how));
    }
    const failing = (reason: string) =>
      failed(message, { outcome: 'failed', reason, attempt: true });
    // Whatever is wrong with one message counts as its attempt; the others go on.
    const reported = (fault: unknown): string => {
      onFault(effect.id, fault);
      return `cannot be pushed: ${reasonOf(fault)}`;
    };
    const built = await build(row, id).catch(reported);
    if (typeof built === 'string') return void (await failing(built));
    const settled = send(id, built)
      .then(
        (fate) => settle(message, built.messageId, fate),
        (fault: unknown) => failing(reported(fault)),
      )
      .then(() => {}, lose)
      .finally(() => ahead.delete(settled));
    ahead.add(settled);
    if (ahead.size >= PUSHES_AHEAD_MAX) await Promise.race(ahead);
  }

  /** `false`: the session is over. */
  async function sendAll(range: RevisionRange): Promise<boolean> {
    for await (const message of waitingWithin(views, account, range)) {
      if (over) return false;
      await sendOne(message);
    }
    return !over;
  }

  return {
    announce,
    sendAll,
    lose,
    async settled() {
      while (ahead.size > 0) await Promise.all(ahead);
    },
  };
}
