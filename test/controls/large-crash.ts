/**
 * One crash round of Large Message mode: messages are left, the server is killed at a chosen moment
 * of one of them, started again, and asked for everything that it owes.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { logCheck } from '../../src/adapters/cli/log-check.ts';
import { viewDifferences } from '../../src/adapters/cli/view-check.ts';
import { openLmdbStore } from '../../src/adapters/store/lmdb.ts';
import { receiver } from '../../src/adapters/ua/receiver.ts';
import { type LargeMessage, sendLarge } from '../../src/adapters/ua/send-large.ts';
import { charts } from '../../src/deferral/deferral.ts';
import type { MessageCompletedData } from '../../src/machines/deposit/events.ts';
import { projections } from '../../src/projections/all.ts';
import { openDepositView, unsettledView } from '../../src/projections/large-messages.ts';
import { chooser, pause } from './crash-stage.ts';
import { type Server, startServer } from './server.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 5 * MIB;
const PATIENCE_MS = 20_000;
/** What is missing from the first push may come by another one. */
const LATE_MS = 5_000;
/** About what the two commits take that follow the name. */
const SOON_MS = 8;
const USER = 'sip:bob@example.org';

/**
 * `middle`: some of the body is written. `named`: its file has got its name, at that moment or so
 * soon after it that the log may have it. `answered`: its sender has the last 200.
 */
export type Moment = 'middle' | 'named' | 'answered';

export interface LargeCrash {
  readonly seed: number;
  readonly launcher: string;
  readonly moment: Moment;
}

export interface LargeCrashReport {
  /** Messages whose last 200 came before the kill. */
  readonly acknowledged: number;
  /** Octets of the other one that the dead server had written under no name. */
  readonly unfinishedBytes: number;
  /** Messages that came although nobody had acknowledged them. */
  readonly unanswered: number;
  readonly violations: readonly string[];
}

type Sent = LargeMessage & { readonly messageId: string; readonly content: Uint8Array };

const digestOf = (octets: Uint8Array | string) => createHash('sha256').update(octets).digest('hex');

/** Letters that no other message has. */
function message(messageId: string, bytes: number): Sent {
  const line = `${digestOf(messageId)} of ${messageId}\r\n`;
  const content = Buffer.from(line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes));
  return { messageId, content, contentType: 'text/plain' };
}

/** Files of contents, as the dead server left them. */
function filesOf(blobs: string) {
  const files = readdirSync(blobs, { recursive: true })
    .map((path) => join(blobs, String(path)))
    .filter((path) => statSync(path).isFile());
  return {
    unfinished: files.filter((path) => path.startsWith(join(blobs, 'tmp'))),
    named: files.filter((path) => !path.startsWith(join(blobs, 'tmp'))),
  };
}

function unfinishedBytes(blobs: string): number {
  return filesOf(blobs).unfinished.reduce((sum, path) => sum + statSync(path).size, 0);
}

/** Resolves at once when it holds, as closely as this process can look. */
async function met(condition: () => boolean, withinMs = PATIENCE_MS): Promise<void> {
  const until = performance.now() + withinMs;
  while (!condition() && performance.now() < until) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** A file vanishes while its folder is read. */
function glanced(look: () => boolean): boolean {
  try {
    return look();
  } catch {
    return false;
  }
}

function sender(server: Server, end: 'bye' | 'nothing', messages: readonly Sent[]) {
  return sendLarge({
    server: { host: '127.0.0.1', port: server.sipPort, transport: 'udp' },
    ...{ from: 'sip:alice@example.org', to: USER, domain: 'example.org', endWith: end },
    sessions: [messages],
  });
}

/** What the log of a server that has ended says, and whether its views agree. */
async function logFaults(dir: string): Promise<readonly string[]> {
  const store = await openLmdbStore({ dir, projections, readOnly: true });
  try {
    const check = logCheck(store, charts, projections);
    const differences = await viewDifferences(store, check);
    const stale = differences === 'moving' ? [] : differences.map(({ view }) => `view ${view}`);
    const open = await store.count(openDepositView);
    const unsettled = await store.count(unsettledView);
    return [
      ...[...check.order.first, ...check.replay.first, ...stale],
      ...(open > 0 ? [`${open} sessions are open`] : []),
      ...(unsettled > 0 ? [`${unsettled} messages have found no place`] : []),
    ];
  } finally {
    await store.close();
  }
}

/** Message-IDs that the log of a dead server has as whole. */
async function completedIn(dir: string): Promise<ReadonlySet<string>> {
  const store = await openLmdbStore({ dir, projections, readOnly: true });
  const ids = new Set<string>();
  for await (const { type, data } of store.readAll()) {
    if (type === 'MessageCompleted') ids.add((data as MessageCompletedData).messageId);
  }
  await store.close();
  return ids;
}

/** Everything that the subscriber gets, as Message-ID and digest of what it reads. */
async function fetched(server: Server, expected: ReadonlySet<string>): Promise<readonly string[]> {
  const client = await receiver({
    server: { host: '127.0.0.1', port: server.sipPort, transport: 'tcp' },
    aor: USER,
    listen: { host: '127.0.0.1' },
  });
  const read = () =>
    client.messages.map(({ inner, text }) => {
      const [, id = ''] =
        /^Message-ID: (\S+)\r$/m.exec(Buffer.from(inner).toString('latin1')) ?? [];
      return `${id} ${digestOf(text)}`;
    });
  const missing = () => {
    const ids = new Set(read().map((line) => line.split(' ')[0]));
    return [...expected].filter((id) => !ids.has(id));
  };
  await Promise.race([client.delivery(), pause(PATIENCE_MS)]);
  await met(() => missing().length === 0, LATE_MS);
  client.close();
  return read();
}

function receivedFaults(
  received: readonly string[],
  sent: readonly Sent[],
  kept: ReadonlySet<string>,
): readonly string[] {
  return sent.flatMap(({ messageId, content }) => {
    const times = received.filter((line) => line.startsWith(`${messageId} `));
    const digest = digestOf(content);
    if (times.some((line) => line !== `${messageId} ${digest}`)) return [`${messageId} is another`];
    if (times.length > 1) return [`${messageId} came ${times.length} times`];
    return times.length === 0 && kept.has(messageId) ? [`${messageId} is lost`] : [];
  });
}

/** Runs one round; what is wrong is in the report, only a round that cannot go on rejects. */
export async function largeCrash({
  seed,
  launcher,
  moment,
}: LargeCrash): Promise<LargeCrashReport> {
  const below = chooser(seed);
  const data = await mkdtemp(join(tmpdir(), 'restante-large-'));
  const [blobs, store] = [join(data, 'blobs'), join(data, 'store')];
  const args = ['--log-level', 'warn', '--forward', 'off'];
  let server = await startServer({ data, launcher, args });
  try {
    const { sipPort, msrpPort, httpPort } = server;
    const first = [message(`small${seed}`, 900), message(`large${seed}`, LARGE_BYTES)];
    const last = message(`last${seed}`, LARGE_BYTES + below(MIB));
    const name = digestOf(last.content);
    const before = await sender(server, below(2) === 0 ? 'bye' : 'nothing', first);
    const sending = sender(server, 'nothing', [last]);
    if (moment === 'middle') {
      const enough = 1 + below(LARGE_BYTES - MIB);
      await met(() => glanced(() => unfinishedBytes(blobs) >= enough));
    } else if (moment === 'named') {
      await met(() => glanced(() => filesOf(blobs).named.some((path) => path.endsWith(name))));
      const soonMs = below(SOON_MS);
      if (soonMs > 0) await pause(soonMs);
    } else {
      await sending;
    }
    await server.kill('SIGKILL');
    const dying = await sending;
    const acknowledged = [...before.sessions, ...dying.sessions]
      .flatMap(({ messages }) => messages)
      .flatMap(({ messageId, outcome }) => (outcome === 'acknowledged' ? [messageId] : []));
    const completed = await completedIn(store);
    const left = unfinishedBytes(blobs);
    const wrong = filesOf(blobs).named.filter(
      (path) => digestOf(readFileSync(path)) !== basename(path),
    );
    server = await startServer({ data, launcher, args, sipPort, msrpPort, httpPort });
    const stale = filesOf(blobs).unfinished;
    const kept = new Set([...acknowledged, ...completed]);
    const received = await fetched(server, kept);
    for (const { close } of [before, dying]) close();
    await server.kill('SIGTERM');
    return {
      acknowledged: acknowledged.length,
      unfinishedBytes: left,
      unanswered: received.length - acknowledged.length,
      violations: [
        ...wrong.map((path) => `${path} has another content`),
        ...stale.map((path) => `${path} is left`),
        ...acknowledged.filter((id) => !completed.has(id)).map((id) => `${id} was not in the log`),
        ...receivedFaults(received, [...first, last], kept),
        ...(await logFaults(store)),
      ],
    };
  } finally {
    await server.remove();
    await rm(data, { recursive: true, force: true });
  }
}
