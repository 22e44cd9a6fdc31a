/** What must hold around a kill, told by the clients and by the log. Pure. */
import { depositKey, type LogFacts } from './crash-log.ts';
import type { Receipt } from './crash-subscriber.ts';
import type { Deposit } from './deposit-sender.ts';

export type Check =
  /** Acknowledged before the kill, and not in the log at the kill. */
  | 'lost'
  /** More than one MessageDeferred for one deposit. */
  | 'storedTwice'
  /** A request that was never answered 202, however often it was sent. */
  | 'unanswered'
  /** Pushed again although its PushAcknowledged was in the log at the kill. */
  | 'deliveredAgain'
  /** Pushed under two MSRP Message-IDs, or recorded under another than it was pushed. */
  | 'otherMessageId'
  /** A dialog without BYE. */
  | 'leftInSession'
  /** Acknowledged to the sender, and not delivered or not recorded as delivered. */
  | 'undelivered'
  /** The log is not in order, or does not replay. */
  | 'unsoundLog'
  /** A 202 stands before its MessageDeferred, or without one. */
  | 'early202'
  /** A BYE stands before a PushAcknowledged of its delivery. */
  | 'earlyBye'
  /** Views that the log does not make. */
  | 'staleView';

export interface Violation {
  readonly check: Check;
  readonly what: string;
}

/** What was known while the server was dead. */
export interface Kill {
  /** Tokens whose 202 was received. */
  readonly acknowledged: ReadonlySet<string>;
  /** How many receipts there were. */
  readonly received: number;
  readonly log: LogFacts;
}

/** Everything that is known once the round is over. */
export interface Evidence {
  readonly sent: ReadonlyMap<string, Deposit>;
  /** Final statuses other than 202. */
  readonly refusals: readonly { readonly token: string; readonly status: number }[];
  readonly receipts: readonly Receipt[];
  /** Call-IDs of dialogs that got no BYE. */
  readonly openSessions: readonly string[];
  readonly kills: readonly Kill[];
  readonly atEnd: LogFacts;
}

function keyOf({ user, callId, fromTag, cseq }: Deposit): string {
  return depositKey(user, callId, fromTag, cseq);
}

function lost({ sent, kills }: Evidence): Violation[] {
  return kills.flatMap(({ acknowledged, log }) => {
    const deferred = new Set(log.deferred.map(({ key }) => key));
    return [...sent]
      .filter(([token, deposit]) => acknowledged.has(token) && !deferred.has(keyOf(deposit)))
      .map(([token]) => ({ check: 'lost', what: token }) as const);
  });
}

function deposits({ sent, refusals, atEnd }: Evidence): Violation[] {
  const found: Violation[] = [];
  const stored = new Map<string, number>();
  for (const { key } of atEnd.deferred) stored.set(key, (stored.get(key) ?? 0) + 1);
  for (const [token, deposit] of sent) {
    const times = stored.get(keyOf(deposit)) ?? 0;
    if (times > 1) found.push({ check: 'storedTwice', what: `${token}, ${times} times` });
  }
  for (const { token, status } of refusals) {
    found.push({ check: 'unanswered', what: `${token}: ${status}` });
  }
  return found;
}

function repeated({ receipts, kills }: Evidence): Violation[] {
  return kills.flatMap(({ received, log }) => {
    const settled = new Set(log.acknowledged.map(({ token }) => token));
    return receipts
      .slice(received)
      .filter(({ token }) => settled.has(token))
      .map(
        ({ token, callId }) => ({ check: 'deliveredAgain', what: `${token}, ${callId}` }) as const,
      );
  });
}

function pushes({ sent, receipts, atEnd }: Evidence): Violation[] {
  const found: Violation[] = [];
  const messageIds = new Map<string, Set<string>>();
  for (const { token, messageId } of [...receipts, ...atEnd.acknowledged]) {
    messageIds.set(token, (messageIds.get(token) ?? new Set()).add(messageId));
  }
  for (const [token, ids] of messageIds) {
    if (ids.size > 1) found.push({ check: 'otherMessageId', what: `${token}: ${[...ids]}` });
  }
  const received = new Set(receipts.map(({ token }) => token));
  const delivered = new Set(atEnd.acknowledged.map(({ token }) => token));
  for (const token of sent.keys()) {
    if (!received.has(token)) found.push({ check: 'undelivered', what: `${token} never came` });
    if (!delivered.has(token)) found.push({ check: 'undelivered', what: `${token} unrecorded` });
  }
  return found;
}

function order({ kills, atEnd }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const { faults, staleViews } of [...kills.map(({ log }) => log), atEnd]) {
    found.push(...faults.map((what) => ({ check: 'unsoundLog', what }) as const));
    found.push(...staleViews.map((what) => ({ check: 'staleView', what }) as const));
  }
  const deferredAt = new Map<string, string>();
  for (const { key, position } of atEnd.deferred) {
    if (!deferredAt.has(key)) deferredAt.set(key, position);
  }
  for (const { key, position } of atEnd.accepted) {
    const at = deferredAt.get(key);
    if (at === undefined || position <= at) {
      found.push({ check: 'early202', what: `${key}: 202 at ${position}, deferred at ${at}` });
    }
  }
  for (const { key, position } of atEnd.byes) {
    const late = atEnd.acknowledged.find(
      ({ delivery, position: at }) => delivery === key && at >= position,
    );
    if (late)
      found.push({ check: 'earlyBye', what: `${key} at ${position}, before ${late.token}` });
  }
  return found;
}

/** Empty when all is well. */
export function violationsOf(evidence: Evidence): readonly Violation[] {
  const left = evidence.openSessions.map((what) => ({ check: 'leftInSession', what }) as const);
  const checks = [lost, deposits, repeated, pushes, order];
  return [...checks.flatMap((check) => check(evidence)), ...left];
}
