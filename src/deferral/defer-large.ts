/** What a session of Large Message mode brought finds its place in the mailbox, once. */
import { hex } from '../engine/identity.ts';
import type { Outcome, Submit } from '../engine/input.ts';
import type { Clock, Digest, Effect, EventStore, Views } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DepositEffect } from '../machines/deposit/effects.ts';
import type { MessageCompletedData } from '../machines/deposit/events.ts';
import type { LargeSource, MessageDeferredData } from '../machines/mailbox/events.ts';
import { key } from '../projections/change.ts';
import { depositView } from '../projections/deposits.ts';
import { unsettledView } from '../projections/large-messages.ts';
import { type MessageRow, messageView } from '../projections/waiting-messages.ts';
import { depositStream, mailboxStream } from './account.ts';

export interface DeferLargeOptions {
  /** Submits until the log has taken it. */
  readonly submit: Submit;
  readonly store: EventStore;
  readonly views: Views;
  readonly clock: Clock;
  readonly digest: Digest;
  /** Told what became of a message, by its Message-ID. */
  deferred(id: string, outcome: Outcome): void;
}

type Deferring = Extract<DepositEffect, { name: 'deferMessage' }>['params'];

const encoder = new TextEncoder();

function sourceOf(deposit: string, revision: number, data: MessageCompletedData): LargeSource {
  const { parts, sha256 } = data;
  // A small body is in the event itself.
  return { deposit, revision, ...(parts.body === undefined ? { blob: sha256 } : {}) };
}

export function deferLarge(options: DeferLargeOptions) {
  const { submit, store, views, clock, digest } = options;

  /** It came whole under this id, and is in no mailbox under it. */
  async function abort(
    deposit: string,
    { id, messageId, bytes }: MessageCompletedData,
    { reason, causation }: { readonly reason: string; readonly causation: string },
  ): Promise<void> {
    await submit(depositStream(deposit), {
      type: 'DepositAborted',
      at: clock.now(),
      data: { messageId, bytes, reason, id },
      cause: `refused ${id}`,
      causation,
    });
  }

  /** `false`: it is in the mailbox as another one, will never be there, or nobody knows. */
  async function defer(
    deposit: string,
    { revision, at }: Pick<Recorded, 'revision' | 'at'>,
    { held, ...completed }: Deferring,
    causation: string,
  ): Promise<boolean> {
    const { account, id, messageId, bytes, expiresAt, priority } = completed;
    const name = digest.sha256(encoder.encode(`large\n${deposit}\n${messageId}`));
    const once = hex(name.subarray(0, 16));
    const data: MessageDeferredData = {
      ...{ id, kind: 'large', bytes, expiresAt },
      ...(priority === undefined ? {} : { priority }),
      ...(held ? { held } : {}),
      deposit: once,
      source: sourceOf(deposit, revision, completed),
    };
    const input = {
      ...{ type: 'MessageDeferred', at, data, cause: `deposit ${id}`, causation },
      unless: { view: depositView, key: once },
    };
    const told = (outcome: Outcome): void => options.deferred(id, outcome);
    const outcome = await submit(mailboxStream(account), input, told);
    if (outcome.outcome === 'refused') {
      await abort(deposit, completed, { reason: outcome.reason, causation });
      return false;
    }
    if (outcome.outcome !== 'ignored') return outcome.outcome === 'accepted';
    // It may be there from before, or as the same message that its sender sent again.
    const there = await views.get(depositView, once);
    if (there === undefined || there.id === id) return true;
    await abort(deposit, completed, { reason: `kept as ${there.id}`, causation });
    return false;
  }

  async function release(
    deposit: string,
    event: Recorded<string, MessageCompletedData>,
    causation: string,
  ): Promise<void> {
    const { id, account } = event.data;
    await submit(mailboxStream(account), {
      type: 'MessageReleased',
      at: clock.now(),
      data: {
        id,
        from: 'held',
        by: 'deposit',
        source: sourceOf(deposit, event.revision, event.data),
      },
      cause: `released ${id}`,
      causation,
      // It may have expired meanwhile, or have been released before.
      unless: {
        view: messageView,
        key: id,
        says: (row) => (row as MessageRow).state !== 'held',
      },
    });
  }

  /** Everything that the session brought is in the mailbox, and may be pushed. */
  async function settle(deposit: string, causation: string): Promise<void> {
    for await (const event of store.read(depositStream(deposit))) {
      if (event.type !== 'MessageCompleted') continue;
      const completed = event as Recorded<'MessageCompleted', MessageCompletedData>;
      const { data } = completed;
      // What has found its place is left there: its owner may hold it since.
      if (!(await views.get(unsettledView, key(deposit, data.id)))) continue;
      // A crash may have come between the two events; otherwise this one is known.
      const isThere = await defer(deposit, completed, { ...data, held: true }, causation);
      if (isThere) await release(deposit, completed, causation);
    }
  }

  return {
    settle,
    async deferMessage({ event, params, id }: Effect): Promise<void> {
      await defer(parseStreamName(event.stream).id, event, params as Deferring, id);
    },
    annotateMessage({ event, id }: Effect): Promise<void> {
      return settle(parseStreamName(event.stream).id, id);
    },
  };
}
