import { memoryBlobs } from '../../src/adapters/blob/memory.ts';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import type { BlobReader, BlobStore } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import type { MessageCompletedData } from '../../src/machines/deposit/events.ts';
import { blobView, openDepositView, unsettledView } from '../../src/projections/large-messages.ts';
import {
  type MessageRow,
  mailboxView,
  messageView,
  waitingView,
} from '../../src/projections/waiting-messages.ts';
import { type DeferralStage, deferralStage } from './deferral-stage.ts';
import { START_MS } from './histories.ts';
import {
  type Invitation,
  type LeftMessage,
  type ScriptedSenders,
  scriptedSenders,
} from './scripted-senders.ts';
import { simulatedClock } from './simulated-clock.ts';
import { settled } from './turns.ts';

export interface LargeStage extends DeferralStage {
  readonly senders: ScriptedSenders;
  readonly blobs: BlobStore;
  /** Contents whose last octets cannot be read. */
  readonly damaged: Set<string>;
  /** A session that is established: INVITE, our 2xx, ACK, MSRP. */
  established(deposit: string, how?: Invitation): Promise<void>;
  /** The same, and it ends with the BYE of its sender once all these are left. */
  left(deposit: string, ...messages: readonly LeftMessage[]): Promise<readonly unknown[]>;
  /** Rows of Large messages by MSRP Message-ID: one for each that is in the mailbox. */
  rows(messageId: string): Promise<readonly MessageRow[]>;
  /** Types of the events of deposits and mailboxes, in log order. */
  types(): Promise<readonly string[]>;
  log(): Promise<readonly Recorded[]>;
  /** Names of all contents. */
  contents(): Promise<readonly string[]>;
}

/** The engine with everything that Large Message mode needs. */
export async function largeStage(): Promise<LargeStage> {
  const clock = simulatedClock(START_MS);
  const kept = memoryBlobs({ digest: hostDigest, now: clock.now });
  const damaged = new Set<string>();
  const blobs: BlobStore = {
    ...kept,
    async open(sha256) {
      const reader = await kept.open(sha256);
      return reader && damaged.has(sha256) ? damagedReader(reader) : reader;
    },
  };
  const senders = scriptedSenders(blobs);
  const stage = await deferralStage({ clock, blobs, senders });

  async function log(): Promise<readonly Recorded[]> {
    const events: Recorded[] = [];
    for await (const event of stage.store.readAll()) events.push(event);
    return events;
  }

  async function established(deposit: string, how: Invitation = {}): Promise<void> {
    void senders.invite(deposit, how);
    await settled();
    void senders.acknowledge(deposit, how.offer === 'late' ? { end: LATE_END } : {});
    await settled();
    senders.session(deposit)?.bound('192.0.2.7:40000');
    await settled();
  }

  return {
    ...stage,
    senders,
    blobs,
    damaged,
    log,
    established,
    async left(deposit, ...messages) {
      await established(deposit);
      const statuses = [];
      for (const message of messages) statuses.push(await senders.leave(deposit, message));
      await senders.say(deposit, 'ByeReceived');
      await settled();
      return statuses;
    },
    async rows(messageId) {
      const ids = (await log())
        .filter(({ type }) => type === 'MessageCompleted')
        .map(({ data }) => data as MessageCompletedData)
        .filter((data) => data.messageId === messageId);
      const rows = await Promise.all(ids.map(({ id }) => stage.store.get(messageView, id)));
      return rows.filter((row) => row !== undefined);
    },
    async types() {
      const events = await log();
      return events
        .filter(({ stream }) => ['deposit', 'mailbox'].includes(parseStreamName(stream).category))
        .map(({ type }) => type);
    },
    async contents() {
      const names: string[] = [];
      for await (const { sha256 } of kept.list()) names.push(sha256);
      return names.sort();
    },
  };
}

const LATE_END = { path: ['msrp://192.0.2.7:8493/si43...;tcp'], setup: 'active' } as const;

/** As the file store reads: octets as long as they may be right, and never the last ones. */
function damagedReader(reader: BlobReader): BlobReader {
  let given = 0;
  return {
    ...reader,
    async next(bytesMax) {
      const octets = await reader.next(Math.min(bytesMax, Math.ceil(reader.bytes / 4)));
      given += octets?.length ?? 0;
      if (given >= reader.bytes) throw new Error('the digest of its octets is another');
      return octets;
    },
  };
}

/** What must hold once every session has ended and everything has had its time. */
export interface LargeFacts {
  /** Complete messages that are not in the mailbox exactly once, or still held. */
  readonly misplaced: readonly string[];
  /** Message-IDs that were answered 200 and are not in any mailbox. */
  readonly lost: readonly string[];
  readonly openDeposits: number;
  readonly unsettled: number;
  /** Deposits that got a BYE of ours without an ACK before it, or a reason to miss it. */
  readonly earlyByes: readonly string[];
  /** Waiting ids without a message, and mailboxes that count other than they hold. */
  readonly phantoms: readonly string[];
  /** Rows of contents that differ from what the messages that are kept need. */
  readonly contents: readonly string[];
}

export const SOUND: LargeFacts = {
  misplaced: [],
  lost: [],
  openDeposits: 0,
  unsettled: 0,
  earlyByes: [],
  phantoms: [],
  contents: [],
};

export async function largeFacts(stage: LargeStage): Promise<LargeFacts> {
  const { store, senders } = stage;
  const events = await stage.log();
  const completed = events.filter(({ type }) => type === 'MessageCompleted');
  const misplaced: string[] = [];
  const messages = new Map<string, string[]>();
  for (const { data, stream } of completed) {
    const { id, messageId } = data as MessageCompletedData;
    const times = events.filter(
      (event) => event.type === 'MessageDeferred' && (event.data as { id: string }).id === id,
    ).length;
    const row = await store.get(messageView, id);
    if (times > 1 || row?.state === 'held') misplaced.push(`${id} ${times} ${row?.state}`);
    // The same MSRP Message-ID of one session is the same message.
    const name = `${stream} ${messageId}`;
    messages.set(name, [...(messages.get(name) ?? []), ...(row ? [id] : [])]);
  }
  for (const [name, ids] of messages) if (ids.length !== 1) misplaced.push(`${name}: ${ids}`);
  const kept = new Set([...messages].map(([name]) => name.slice(name.indexOf(' ') + 1)));
  const answered = senders.seen.filter((line) => line.startsWith('200 ') && !line.includes(' I'));
  const acknowledged = new Set(
    events.flatMap(({ type, stream }) =>
      type === 'AckReceived' || type === 'AckMissed' ? [parseStreamName(stream).id] : [],
    ),
  );
  return {
    misplaced,
    lost: answered.map((line) => line.slice(4)).filter((messageId) => !kept.has(messageId)),
    openDeposits: await store.count(openDepositView),
    unsettled: await store.count(unsettledView),
    earlyByes: senders.seen.filter(
      (line) => line.startsWith('BYE ') && !acknowledged.has(line.slice(4)),
    ),
    phantoms: await phantoms(stage),
    contents: await contentFaults(stage),
  };
}

async function phantoms({ store }: LargeStage): Promise<readonly string[]> {
  const rows = await store.range(messageView);
  const waiting = await store.range(waitingView);
  const ids = new Set(rows.flatMap(([id, { state }]) => (state === 'waiting' ? [id] : [])));
  const listed = new Set(waiting.map(([, { id }]) => id));
  const wrong = [...ids, ...listed].filter((id) => !ids.has(id) || !listed.has(id));
  const counts = (await store.range(mailboxView)).flatMap(([account, mailbox]) => {
    const of = (state: string) =>
      rows.filter(([, row]) => row.account === account && row.state === state).length;
    const { waiting: counted, held, parked } = mailbox;
    const says = `${counted} ${held} ${parked}`;
    const holds = `${of('waiting')} ${of('held')} ${of('parked')}`;
    return says === holds ? [] : [`${account}: ${says}, not ${holds}`];
  });
  return [...wrong, ...counts];
}

/** Each kept message that has its body in the blob store needs it, and nobody else does. */
async function contentFaults({ store, blobs }: LargeStage): Promise<readonly string[]> {
  const rows = await store.range(messageView);
  const needed = rows.flatMap(([id, { state, source }]) =>
    source?.blob !== undefined && ['waiting', 'held', 'parked'].includes(state)
      ? [`${source.blob} ${id}`]
      : [],
  );
  const listed = (await store.range(blobView)).map(([name]) => name);
  const wrong = [...needed, ...listed].filter(
    (name) => !needed.includes(name) || !listed.includes(name),
  );
  const missing: string[] = [];
  for (const name of needed) {
    const [sha256 = ''] = name.split(' ');
    if (!(await blobs.open(sha256))) missing.push(`${name} is gone`);
  }
  return [...wrong, ...missing];
}
