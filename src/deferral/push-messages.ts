/**
 * Pushes the snapshot of a delivery: one MSRP message for each deferred one, in log order
 * (IM-11.3.2.7-1…8). What became of each comes back as an input; BYE is the chart's decision.
 */
import { hex, keyedToken } from '../engine/identity.ts';
import type { Submit } from '../engine/input.ts';
import { reasonOf } from '../engine/judge.ts';
import type { Clock, Digest, Effect, EventStore, Views } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DeliveryEffect } from '../machines/delivery/effects.ts';
import type { PushedMessage } from '../machines/delivery/events.ts';
import { type MessageRow, messageView } from '../projections/waiting-messages.ts';
import { encapsulate } from '../wire/mime/encapsulation.ts';
import type { PushOutcome } from '../wire/msrp/sender.ts';
import { mailboxStream } from './account.ts';
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
const BOUNDARY_OCTETS = 8;
const MESSAGE_ID_OCTETS = 16;
/** RFC 4975 §10.5: that type must not be sent again in this session. */
const UNSUPPORTED_MEDIA = 415;

export interface PushOptions {
  readonly submit: Submit;
  readonly views: Views;
  readonly store: EventStore;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly secret: Uint8Array;
  readonly channels: Channels;
  onFault(where: string, fault: unknown): void;
}

type PushParams = Extract<DeliveryEffect, { name: 'pushMessages' }>['params'];

interface Built {
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Resolves when every message has its outcome, or the session cannot go on. */
export async function pushMessages(options: PushOptions, effect: Effect): Promise<void> {
  const params = effect.params as PushParams;
  const { account, through } = params;
  const push = pushOf(options, effect, params);
  try {
    let range: RevisionRange = { after: -1, through };
    let type: 'SnapshotTaken' | 'SnapshotExtended' = 'SnapshotTaken';
    // Messages that arrive meanwhile join, while the chart still pushes (A-32).
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
  const { submit, views, store, digest, clock, secret, channels, onFault } = options;
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
    how: { outcome: 'failed' | 'unsent'; reason: string; status?: number; attempt: boolean },
  ) {
    return fact('PushFailed', { ...message, ...how }, `failed ${message.id}`);
  }

  function build(row: MessageRow, id: string, octets: Uint8Array): Built | string {
    const built = encapsulate(octets, {
      receivedAt: row.receivedAt,
      exposeIdentity: true,
      encapsulation,
      dateSource: 'original',
      seed: `restante-${keyedToken(digest, secret, `boundary ${id}`, BOUNDARY_OCTETS)}`,
    });
    if (built.kind === 'refusal') return `cannot be wrapped: ${built.reason} (${built.section})`;
    const { contentType, body } = built;
    // The client would only answer 413 (RFC 4975 §10.3).
    if (body.length > maxSize) return `larger than the client takes (${maxSize} octets)`;
    const name = `msrp ${id} ${hex(digest.sha256(body))}`;
    return { messageId: keyedToken(digest, secret, name, MESSAGE_ID_OCTETS), contentType, body };
  }

  async function buildFrom(row: MessageRow, id: string): Promise<Built | string> {
    const range = { from: row.deferred, limit: 1 };
    for await (const { octets } of store.read(mailboxStream(account), range)) {
      if (octets) return build(row, id, octets);
    }
    return 'its octets are not in the log';
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
      // The session is over: ChannelLost says it once for all that is open (A-31).
      case 'timeout':
      case 'sessionLost':
        over = true;
    }
  }

  function send(id: string, built: Built): Promise<PushOutcome> {
    try {
      return channels.send(delivery, { key: id, ...built });
    } catch (fault) {
      return Promise.reject(fault);
    }
  }

  async function sendOne({ id, revision }: WaitingMessage): Promise<void> {
    const row = await views.get(messageView, id);
    if (!row)
      throw new Error(`message ${id} waits in ${account} but has no row: rebuild the views`);
    const { bytes, expiresAt } = row;
    const message: PushedMessage = {
      account,
      id,
      revision,
      bytes,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    const unsent = (reason: string) =>
      failed(message, { outcome: 'unsent', reason, attempt: false });
    if (wrapperRefused) return void (await unsent('wrapper refused'));
    if (expiresAt !== undefined && expiresAt <= clock.now()) return void (await unsent('expired'));
    const failing = (reason: string) =>
      failed(message, { outcome: 'failed', reason, attempt: true });
    // Whatever is wrong with one message counts as its attempt; the others go on.
    const reported = (fault: unknown): string => {
      onFault(effect.id, fault);
      return `cannot be pushed: ${reasonOf(fault)}`;
    };
    const built = await buildFrom(row, id).catch(reported);
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
