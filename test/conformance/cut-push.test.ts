/**
 * The connection of a push is cut after every octet that reaches the client, and after every octet
 * of its answers: what it acknowledged is delivered, the rest comes again, under the same names.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Recorded } from '../../src/engine/recorded.ts';
import {
  type CutClient,
  type CutConnection,
  type CutPlan,
  cutClient,
} from '../controls/cut-client.ts';
import { bordersOf, cutsOf } from '../controls/cuts.ts';
import { largeScript } from '../controls/large-script.ts';
import { type LineClient, lineClient } from '../controls/line-client.ts';
import type { RelayFrame } from '../controls/msrp-relay-frames.ts';
import { type MsrpStage, msrpStage } from '../controls/msrp-stage.ts';
import { fixturesAvailable } from '../controls/scripted-peer-flow.ts';
import { ALICE, sipRequest } from '../controls/sip-agent-stage.ts';

const BACKOFF_MS = 30_000;

/** The log of a server that holds a MESSAGE, and a Large message behind it. */
async function twoWaiting(): Promise<readonly Recorded[]> {
  const stage = await msrpStage();
  const line = await stage.peer.datagrams(stage.udp);
  const script = largeScript({ transport: 'udp', port: line.local.port });
  line.send(sipRequest('MESSAGE', 'm1', {}, { body: 'Can you give me a lift?' }));
  await line.next();
  line.send(script.invite);
  const answer = String(await line.next());
  line.send(script.ack(answer));
  const socket = connect(stage.msrpPort, '127.0.0.1');
  socket.resume();
  socket.end(script.sends(answer).join(''));
  await once(socket, 'close');
  line.send(script.bye(answer));
  await line.next();
  const released = async () => (await stage.told('mailbox')).includes('mailbox MessageReleased');
  await stage.until(released, 'the release');
  const log = await stage.events();
  await stage.close();
  return log;
}

interface Client extends Pick<LineClient, 'register'> {
  readonly stage: MsrpStage;
  readonly media: CutClient;
  /** A push from its INVITE to the answer to its BYE. */
  push(plan?: CutPlan): Promise<CutConnection>;
}

async function client(log: readonly Recorded[]): Promise<Client> {
  const stage = await msrpStage({ log });
  const media = await cutClient();
  const { register, invited } = lineClient(await stage.peer.datagrams(stage.udp));
  return {
    ...{ stage, media, register },
    async push(plan) {
      const became = media.connection(plan);
      const { bye } = await invited(media.uri, media.port);
      await bye();
      return became;
    },
  };
}

/** The messages among them: a SEND without a body only binds the session. */
const messages = (frames: readonly RelayFrame[]) => frames.filter(({ body }) => body !== undefined);
const named = (frames: readonly RelayFrame[]) =>
  messages(frames).map(({ headers, body }) => [headers['Message-ID'] ?? '', String(body)] as const);

interface Whole extends CutConnection {
  readonly log: readonly Recorded[];
  readonly named: ReturnType<typeof named>;
}

async function uncut(log: readonly Recorded[]): Promise<Whole> {
  const { stage, media, ...alice } = await client(log);
  await alice.register();
  const became = await alice.push();
  media.close();
  await stage.close();
  return { ...became, log, named: named(became.sends) };
}

interface Round {
  /** Messages that the log has as delivered by the push that was cut. */
  readonly delivered: number;
  /** Messages that came whole more than once. */
  readonly again: number;
}

async function round(whole: Whole, plan: CutPlan, next: 'time' | 'registration'): Promise<Round> {
  const { stage, media, ...alice } = await client(whole.log);
  const acknowledged = async () =>
    (await stage.events())
      .filter(({ type }) => type === 'PushAcknowledged')
      .map(({ data }) => (data as { readonly messageId: string }).messageId);
  const mailbox = async () => (await stage.state(`mailbox-${ALICE}`)) as Mailbox;
  const ids = whole.named.map(([id]) => id);
  expect(ids).toHaveLength(2);
  try {
    await alice.register();
    const cut = await alice.push(plan);
    await stage.until(async () => (await mailbox()).value === 'registered', 'the end');
    const delivered = (await acknowledged()).length;
    expect(await acknowledged()).toEqual(ids.slice(0, delivered));
    const answered = named(cut.answered);
    expect(answered.length).toBeGreaterThanOrEqual(delivered);
    // What is reset may take answers along that were on their way.
    if (plan.how === 'fin') expect(answered).toHaveLength(delivered);
    const rest = whole.named.slice(delivered);
    if (rest.length > 0) {
      await (next === 'time' ? stage.pass(BACKOFF_MS) : alice.register());
      expect(named((await alice.push()).sends)).toEqual(rest);
    } else await alice.register();
    await stage.until(async () => (await mailbox()).value === 'registered', 'the end');
    expect((await mailbox()).context.pushable).toBe(0);
    expect(await acknowledged()).toEqual(ids);
    expect(stage.faults).toEqual([]);
    return { delivered, again: named(cut.sends).length - delivered };
  } finally {
    media.close();
    await stage.close();
  }
}

interface Mailbox {
  readonly value: string;
  readonly context: { readonly pushable: number };
}

describe.skipIf(!fixturesAvailable())('a push whose connection is cut', () => {
  let whole: Whole;
  beforeAll(async () => {
    whole = await uncut(await twoWaiting());
  });

  it.for([
    { after: 'of the server', ends: 'closed', way: 'heard', how: 'fin', step: 40, twice: 0 },
    { after: 'of the answers', ends: 'closed', way: 'said', how: 'fin', step: 4, twice: 50 },
    { after: 'of the server', ends: 'reset', way: 'heard', how: 'rst', step: 96, twice: 0 },
    { after: 'of the answers', ends: 'reset', way: 'said', how: 'rst', step: 16, twice: 50 },
  ] as const)(
    '$ends after every octet $after: the rest comes again [T-12] [T-26] [T-28]',
    {
      timeout: 600_000,
    },
    async ({ after, ends, way, how, step, twice }, { task }) => {
      const frames = way === 'heard' ? whole.sends.map(({ octets }) => octets) : whole.answers;
      const cuts = cutsOf(Buffer.concat(frames).length, bordersOf(frames), step);
      const fates = [0, 0, 0];
      let duplicates = 0;
      for (const [index, n] of cuts.entries()) {
        const next = index % 2 === 0 ? 'time' : 'registration';
        const { delivered, again } = await round(whole, { how, [way]: n }, next);
        fates[delivered] = (fates[delivered] ?? 0) + 1;
        duplicates += again;
      }
      const [none = 0, one = 0, both = 0] = fates;
      const told = `delivered by then: none ${none}, one ${one}, both ${both}`;
      const measured = `push ${ends} after ${cuts.length} octets ${after}, ${told}, twice ${duplicates}`;
      Object.assign(task.meta, { measured });
      expect([none > 10, one > 10, both > 0]).toEqual([true, true, true]);
      expect(duplicates).toBeGreaterThanOrEqual(twice);
    },
  );
});
