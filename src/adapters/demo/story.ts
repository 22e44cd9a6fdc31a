/**
 * The story of `restante demo`, with real sockets and processes: messages for somebody who is away
 * survive the death of the server and are pushed when the subscriber comes online.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Views } from '../../engine/ports.ts';
import type { Recorded } from '../../engine/recorded.ts';
import { streamName } from '../../engine/stream-name.ts';
import { mailboxView } from '../../projections/waiting-messages.ts';
import { WAIT_MS } from './bounded.ts';
import { type Cast, castOf, DOMAIN, onStore, type StoryDeps } from './cast.ts';
import { type Chapter, chapterJson, chapterText, failureChapter, messageLines } from './chapter.ts';
import { StoryFailure } from './story-failure.ts';

export interface StoryOptions {
  /** How many messages wait. */
  readonly messages: number;
  /** Where the data is kept, a new or empty folder; absent: a temporary one. */
  readonly data?: string;
  /** Leaves the temporary folder for the reader to look at. */
  readonly keep?: boolean;
  /** One JSON line a chapter. */
  readonly json?: boolean;
}

const ACCOUNT = `sip:romeo@${DOMAIN}`;
const SUBJECT = 'Good night';
const TEXTS = [
  'Good night, good night!',
  'Parting is such sweet sorrow',
  'that I shall say good night till it be morrow.',
];
const POLL_MS = 50;

function textsOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => TEXTS[index] ?? `message ${index + 1}`);
}

/** Tells the story; resolves to 0, or to 1 when it did not go as it should, and says why. */
export async function tellStory(options: StoryOptions, deps: StoryDeps): Promise<number> {
  const startedMs = performance.now();
  const { messages, data, keep = false, json = false } = options;
  const folder = data ?? (await mkdtemp(join(tmpdir(), 'restante-demo-')));
  const kept = keep || data !== undefined;
  const cast = castOf(deps, folder);
  let number = 0;
  const tell = async (chapter: Chapter) => {
    number += 1;
    await deps.write((json ? chapterJson : chapterText)(chapter, number));
  };
  try {
    await expectEmpty(folder);
    await tell(await serverStarts(cast));
    await tell(await messagesAreSent(cast, textsOf(messages)));
    await tell(await serverIsKilled(cast, messages));
    await tell(await subscriberRegisters(cast, textsOf(messages)));
    await tell(await logIsRead(cast));
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const lines = [kept ? `The data stays in ${folder}.` : 'The data is removed.'];
    const headline = `The mailbox is empty: ${messages} delivered in ${seconds} s in all`;
    const facts = {
      waiting: 0,
      delivered: messages,
      seconds: +seconds,
      ...(kept ? { data: folder } : {}),
    };
    await tell({ name: 'end', headline, lines, facts });
    return 0;
  } catch (error) {
    const reason = error instanceof StoryFailure ? error.message : String(error);
    await tell(failureChapter(reason, cast.server?.lastLines() ?? []));
    return 1;
  } finally {
    await cast.leave();
    if (!kept) await rm(folder, { recursive: true, force: true });
  }
}

function waitingIn(store: Views): Promise<number> {
  return store.get(mailboxView, ACCOUNT).then((row) => row?.waiting ?? 0);
}

function expectCount(what: string, seen: number, expected: number): void {
  if (seen !== expected) throw new StoryFailure(`${what}: ${seen} where ${expected} were expected`);
}

async function expectEmpty(folder: string): Promise<void> {
  const files = await readdir(folder).catch(() => []);
  if (files.length > 0) throw new StoryFailure(`${folder} is not empty: name a new folder`);
}

async function serverStarts(cast: Cast): Promise<Chapter> {
  const { pid, ready } = await cast.start();
  const { sip, msrp, http } = await ready;
  return {
    name: 'start',
    headline: 'The server starts on an empty store',
    lines: [`process ${pid}   SIP ${sip.join(', ')}   MSRP ${msrp}   HTTP ${http}`],
    facts: { pid, sip, msrp, http, data: cast.folder },
  };
}

async function messagesAreSent(cast: Cast, bodies: readonly string[]): Promise<Chapter> {
  const request = { from: 'juliet', to: 'romeo', domain: DOMAIN, subject: SUBJECT, bodies };
  const sending = cast.deps.send({ server: cast.sip(), ...request });
  const answers = await cast.wait('the answers to the MESSAGEs', sending);
  const accepted = answers.filter(({ status }) => status === 202);
  const seen = answers.map(({ status, reason }) => `${status} ${reason}`).join(', ');
  expectCount(`202 answers (${seen})`, accepted.length, bodies.length);
  return {
    name: 'deposit',
    headline: `Juliet sends ${bodies.length} messages; Romeo is offline`,
    lines: answers.map(({ status, reason, ms }, index) => {
      return `MESSAGE “${bodies[index]}” → ${status} ${reason} after ${ms.toFixed(1)} ms`;
    }),
    facts: { answers },
  };
}

async function serverIsKilled(cast: Cast, expected: number): Promise<Chapter> {
  const before = cast.server?.pid;
  await cast.end('SIGKILL');
  const startedMs = performance.now();
  const { pid } = await cast.start();
  const readyMs = Math.round(performance.now() - startedMs);
  const waiting = await onStore(cast, waitingIn);
  expectCount('messages waiting after the restart', waiting, expected);
  return {
    name: 'crash',
    headline: 'The server is killed without warning, and started again',
    lines: [
      `process ${before} got SIGKILL; process ${pid} was ready after ${readyMs} ms`,
      `mailbox ${ACCOUNT}: ${waiting} waiting, for each 202 one`,
    ],
    facts: { killed: before, pid, readyMs, waiting },
  };
}

async function subscriberRegisters(cast: Cast, expected: readonly string[]): Promise<Chapter> {
  const registering = cast.deps.receive({
    server: cast.sip(),
    aor: ACCOUNT,
    listen: { host: cast.sip().host },
  });
  // Also when the story does not wait for it any more.
  registering.then(
    (late) => cast.atTheEnd(late.close),
    () => {},
  );
  const client = await cast.wait('the answer to the REGISTER', registering);
  const { registered } = client;
  if (registered.status !== 200) {
    throw new StoryFailure(`the REGISTER was answered ${registered.status} ${registered.reason}`);
  }
  const { messages, ended } = await cast.wait('the push and its BYE', client.delivery());
  expectCount('messages pushed', messages.length, expected.length);
  const texts = messages.map(({ text }) => text);
  if (texts.some((text, index) => text !== expected[index])) {
    throw new StoryFailure(`other texts, or another order, than sent: ${JSON.stringify(texts)}`);
  }
  if (ended !== 'bye') throw new StoryFailure(`the session ended by ${ended} and not by BYE`);
  return {
    name: 'delivery',
    headline: 'Romeo registers; the server invites him and pushes over MSRP',
    lines: [
      `REGISTER → ${registered.status} ${registered.reason}`,
      ...messages.flatMap(messageLines),
      'BYE from the server: everything was acknowledged',
    ],
    facts: {
      registered: registered.status,
      messages: messages.map(({ from, subject, date, timestamp, text, duplicate }) => {
        return { from, subject, date, timestamp, text, duplicate };
      }),
      ended,
    },
  };
}

async function logIsRead(cast: Cast): Promise<Chapter> {
  await deliveryIsRecorded(cast);
  // Signals follow the events with a later commit: a server that stops leaves nothing behind.
  await cast.end('SIGTERM');
  const [records, waiting] = await onStore(cast, async (store) => {
    const all: Recorded[] = [];
    for await (const record of store.readAll()) all.push(record);
    return [all, await waitingIn(store)] as const;
  });
  expectCount('messages waiting at the end', waiting, 0);
  const ladder = cast.deps.drawLadder(records, ACCOUNT).trimEnd().split('\n');
  return {
    name: 'log',
    headline: `The log has it all: ${records.length} records, read after the server stopped`,
    lines: ['', ...ladder],
    facts: { records: records.length, waiting, ladder },
  };
}

/** The client sees the BYE a moment before the server has recorded the answer to it. */
async function deliveryIsRecorded(cast: Cast): Promise<void> {
  const what = 'the end of the delivery to be recorded';
  const until = performance.now() + WAIT_MS;
  for (;;) {
    const last = await onStore(cast, (store) => store.last(streamName('mailbox', ACCOUNT)));
    if (last?.type === 'DeliveryEnded') return;
    if (performance.now() > until) {
      throw new StoryFailure(`waited in vain for ${what}: the mailbox ends with ${last?.type}`);
    }
    await cast.wait(what, new Promise((resolve) => setTimeout(resolve, POLL_MS)));
  }
}
