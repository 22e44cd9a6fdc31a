/**
 * The connection of a sender in Large Message mode is cut after every octet of what it sends: its
 * message is kept once, or it is not there, and the session ends as it ought to.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { MessageCompletedData } from '../../src/machines/deposit/events.ts';
import { type Cut, cutsOf } from '../controls/cuts.ts';
import { LARGE_BODY, largeScript, tagOf } from '../controls/large-script.ts';
import { type MsrpStage, msrpStage } from '../controls/msrp-stage.ts';
import type { Line } from '../controls/scripted-peer.ts';
import { fixturesAvailable, headerOf } from '../controls/scripted-peer-flow.ts';
import { settled } from '../controls/turns.ts';

const BIND_MS = 30_000;
const GRACE_MS = 2_000;

type End = 'bye' | 'silence' | 'again';

interface Session {
  readonly stage: MsrpStage;
  readonly line: Line;
  readonly deposit: string;
  readonly octets: Buffer;
  /** Octets of the head of the first chunk, and of all of it. */
  readonly head: number;
  readonly firstChunk: number;
  readonly bye: string;
}

async function offered(): Promise<Session> {
  const stage = await msrpStage();
  const line = await stage.peer.datagrams(stage.udp);
  const script = largeScript({ transport: 'udp', port: line.local.port });
  line.send(script.invite);
  const answer = String(await line.next());
  const deposit = `deposit-${tagOf(answer).slice(3)}`;
  line.send(script.ack(answer));
  await stage.until(async () => (await stage.state(deposit)).value === 'receiving', 'the ACK');
  const [first, second] = script.sends(answer).map((text) => Buffer.from(text)) as [Buffer, Buffer];
  const octets = Buffer.concat([first, second]);
  const head = first.indexOf('\r\n\r\n') + 4;
  const bye = script.bye(answer);
  return { stage, line, deposit, octets, head, firstChunk: first.length, bye };
}

/** Says so many octets, ends, and gives what was heard until the end. */
async function said(stage: MsrpStage, octets: Buffer, how: Cut): Promise<string> {
  const socket: Socket = connect(stage.msrpPort, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(octets);
  if (how === 'fin') socket.end();
  else socket.write('', () => socket.resetAndDestroy());
  await once(socket, 'close');
  await settled();
  return heard;
}

const answersIn = (heard: string) => heard.match(/^MSRP \S+ 200 OK\r$/gm)?.length ?? 0;

/** The grace is over, and not before: we say BYE. */
async function ourBye({ stage, line }: Session): Promise<void> {
  await stage.pass(GRACE_MS - 1);
  expect(line.received.some((octets) => octets.indexOf('BYE ') === 0)).toBe(false);
  await stage.pass(1);
  const bye = String(await line.next());
  expect([bye.split(' ', 1)[0], headerOf(bye, 'CSeq')]).toEqual(['BYE', '1 BYE']);
  const mirrored = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((n) => `${n}: ${headerOf(bye, n)}`);
  line.send(['SIP/2.0 200 OK', ...mirrored, 'Content-Length: 0', '', ''].join('\r\n'));
}

async function theirBye({ line, bye }: Session): Promise<void> {
  line.send(bye);
  expect(String(await line.next())).toMatch(/^SIP\/2\.0 200 /);
}

interface Round {
  /** `begun`: of the first chunk there was a head, and no end. */
  readonly fate: 'kept' | 'aborted' | 'begun' | 'unheard';
  readonly answers: number;
}

async function round(cut: number, how: Cut, end: End): Promise<Round> {
  const session = await offered();
  const { stage, deposit, octets, head, firstChunk } = session;
  try {
    const told = async () => (await stage.told('deposit')).map((each) => each.split(' ')[1]);
    const has = async (type: string) => (await told()).includes(type);
    const heard = await said(stage, octets.subarray(0, cut), how);
    let fate: Round['fate'] = cut < head ? 'unheard' : 'begun';
    if (cut >= firstChunk) fate = cut < octets.length ? 'aborted' : 'kept';
    if (cut >= head) await stage.until(() => has('ChannelLost'), 'the loss of the channel');
    else if (end === 'again') {
      // Nobody has named the session yet: it waits for who does.
      fate = 'kept';
      await said(stage, octets, 'fin');
      await stage.until(() => has('ChannelLost'), 'the loss of the channel');
    } else if (end === 'silence') {
      expect(await has('ChannelLost')).toBe(false);
      await stage.pass(BIND_MS);
    }
    if (fate === 'kept') await stage.until(() => has('MessageCompleted'), 'the message');
    await (end === 'silence' ? ourBye(session) : theirBye(session));
    await stage.until(async () => (await stage.state(deposit)).value === 'ended', 'the end');
    await checked(session, fate === 'kept');
    expect((await told()).toSorted()).toEqual(expectedOf(fate, end).toSorted());
    const answers = answersIn(heard);
    // T-01: no 200 for what is not there.
    expect(answers).toBeLessThanOrEqual({ kept: 2, aborted: 1, begun: 0, unheard: 0 }[fate]);
    return { fate, answers };
  } finally {
    await stage.close();
  }
}

/** What the stream of the deposit says, in any order. */
function expectedOf(fate: Round['fate'], end: End): readonly string[] {
  const message = {
    kept: ['MessageCompleted'],
    aborted: ['DepositAborted'],
    begun: ['DepositAborted'],
    unheard: [],
  };
  const isBound = fate !== 'unheard';
  const hasLost = fate !== 'unheard' || end === 'silence';
  return [
    ...['DepositOffered', 'AckReceived', ...message[fate]],
    ...(isBound ? ['ChannelBound'] : []),
    ...(hasLost ? ['ChannelLost'] : []),
    ...(end === 'silence' ? ['GraceElapsed', 'ByeAnswered'] : ['ByeReceived']),
  ];
}

/** Once and whole and free to be pushed, or not at all. */
async function checked(session: Session, whole: boolean): Promise<void> {
  const { stage } = session;
  const mailbox = () => stage.told('mailbox');
  if (whole) {
    await stage.until(async () => (await mailbox()).includes('mailbox MessageReleased'), 'release');
  }
  await settled();
  const kept = ['mailbox MessageDeferred', 'mailbox MessageReleased'];
  expect(await mailbox()).toEqual(whole ? kept : []);
  const completed = (await stage.events()).filter(({ type }) => type === 'MessageCompleted');
  expect(completed).toHaveLength(whole ? 1 : 0);
  for (const { data, octets } of completed) {
    const { bytes, chunks, parts } = data as MessageCompletedData;
    expect([bytes, chunks]).toEqual([LARGE_BODY.length, 2]);
    const body = Buffer.from(octets ?? []).subarray(parts.answer + parts.head);
    expect(body.toString()).toBe(LARGE_BODY);
  }
  expect(stage.faults).toEqual([]);
}

const ENDS: readonly End[] = ['bye', 'silence', 'again'];

async function played(how: Cut, step: number) {
  const { stage, octets, head, firstChunk } = await offered();
  await stage.close();
  const cuts = cutsOf(octets.length, [0, head, firstChunk - 30, firstChunk, octets.length], step);
  const counts = { kept: 0, aborted: 0, begun: 0, unheard: 0, answers: 0 };
  // What is whole meets every end; else they take turns.
  const whole = ENDS.map((end) => [octets.length, end] as const);
  const cut = cuts.map((n) => [n, ENDS[n % ENDS.length] ?? 'bye'] as const);
  for (const [after, end] of [...whole, ...cut]) {
    const { fate, answers } = await round(after, how, end);
    counts[fate] += 1;
    counts.answers += answers;
  }
  return { ...counts, cuts: whole.length + cuts.length };
}

describe.skipIf(!fixturesAvailable())('a sender whose connection is cut', () => {
  it.for([
    { ends: 'closed', how: 'fin', step: 12, answered: 50 },
    { ends: 'reset', how: 'rst', step: 24, answered: 0 },
  ] as const)(
    '$ends after every octet: kept once, or not at all [IM-11.3.2.5-6] [T-03]',
    {
      timeout: 600_000,
    },
    async ({ ends, how, step, answered }, { task }) => {
      const { cuts, kept, aborted, begun, unheard, answers } = await played(how, step);
      const fates = `kept ${kept}, aborted ${aborted}, first chunk begun ${begun}, unheard ${unheard}`;
      const measured = `deposit ${ends} after ${cuts} octets: ${fates}; ${answers} answers heard`;
      Object.assign(task.meta, { measured });
      expect([kept > 3, aborted > 50, begun > 50, unheard > 10]).toEqual([true, true, true, true]);
      expect(answers).toBeGreaterThanOrEqual(answered);
    },
  );
});
