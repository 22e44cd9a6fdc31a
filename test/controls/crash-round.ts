/**
 * One crash round: messages are deposited without a pause, a subscriber takes a push slowly, the
 * server is killed at a seeded moment, started again and asked for everything that it owes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kill, type Violation, violationsOf } from './crash-checks.ts';
import { readLog } from './crash-log.ts';
import { type Subscriber, subscriber } from './crash-subscriber.ts';
import { type Deposit, type DepositSender, depositSender } from './deposit-sender.ts';
import { type Server, startServer } from './server.ts';

export interface CrashRound {
  readonly seed: number;
  /** The server that is killed, and started again. */
  readonly launcher: string;
}

export interface CrashCounts {
  /** Two: the second came soon after the restart. The other counts are those of the first. */
  readonly kills: number;
  /** 202s received before the restart. */
  readonly acknowledgedBeforeKill: number;
  /** Of these, between the first SEND of the push and its BYE. */
  readonly acknowledgedDuringPush: number;
  readonly unansweredAtKill: number;
  /** Sent again after their 202, before the kill. */
  readonly repeatedBeforeKill: number;
  /** PushAcknowledged in the log at the kill. */
  readonly deliveredAtKill: number;
  /** Dialogs that the kill left open. */
  readonly sessionsAtKill: number;
  /** SENDs that the client had before the restart and got again. */
  readonly pushedAgain: number;
  readonly deposits: number;
  readonly events: number;
}

export interface CrashReport {
  readonly seed: number;
  readonly killed: 'depositing' | 'pushing';
  readonly counts: CrashCounts;
  readonly violations: readonly Violation[];
}

const USERS = ['bob', 'carol', 'dave', 'erin'];
/** Takes the push that the kill comes in the middle of. */
const PUSHED = 'bob';
const WORKERS = 8;
/** Messages that the client has at the kill and has not acknowledged, at least. */
const HELD_AT_KILL = 4;
const BURST = 24;
/** A loaded server may answer none of it: then the time decides. */
const BURST_MS = 40;
/** 202s before a kill, at least. */
const ENOUGH = 200;
/** Still on their way when the signal is sent. */
const LAST = 4;
/** Padding of bodies: whole messages stay below what must be sent in interruptible chunks. */
const BODY_BYTES_MAX = 700;
/** No measure: far beyond what a loaded machine needs, and short of the runner's own timeout. */
const PATIENCE_MS = 20_000;

type Below = (limit: number) => number;

/** Lehmer's generator: a round can be run again with the same choices. */
function chooser(seed: number): Below {
  let state = (Math.abs(seed) % 2_147_483_646) + 1;
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
}

/** What a seed decides about a round. Who runs when is the machine's own business. */
function planOf(seed: number) {
  const below = chooser(seed);
  return {
    killed: below(3) === 0 ? ('depositing' as const) : ('pushing' as const),
    journal: below(2) === 0 ? 'full' : 'headers',
    /** Deposits acknowledged before the subscriber registers. */
    waiting: 120 + below(60),
    /** Another one, who takes its messages as they come. */
    besides: below(2) === 0 ? ['carol'] : [],
    /** Deposits acknowledged while the push stands still. */
    duringPush: 20 + below(30),
    /** Messages that the subscriber acknowledges before the kill. */
    taken: 5 + below(60),
    /** Deposits acknowledged between the end of the push and the kill. */
    afterPush: below(40),
    /** Of the last burst. */
    ofBurst: below(BURST),
    /** The second kill comes so long after the restart. */
    killAgainMs: below(3) === 0 ? below(80) : undefined,
    traffic: chooser(seed + below(1_000_000)),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Senders that go on until they are told to stop, and then finish what they have begun. */
function traffic(sender: DepositSender, below: Below) {
  const refusals: { token: string; status: number }[] = [];
  const work = new Set<Promise<void>>();
  let stopped = false;
  let users = USERS;

  async function send(deposit: Deposit): Promise<void> {
    const status = await sender.send(deposit);
    if (status !== 202) refusals.push({ token: deposit.token, status });
  }

  function begin(job: Promise<void>): void {
    work.add(job);
    void job.finally(() => work.delete(job));
  }

  async function worker(): Promise<void> {
    while (!stopped) {
      const deposit = compose();
      await send(deposit);
      if (below(8) === 0) await send(deposit);
      await pause(below(12));
    }
  }

  function compose(): Deposit {
    return sender.compose(users[below(users.length)] ?? PUSHED, 30 + below(BODY_BYTES_MAX));
  }

  return {
    refusals,
    start() {
      for (let count = 0; count < WORKERS; count += 1) begin(worker());
    },
    /** New messages go to these users only. */
    address(to: readonly string[]) {
      users = [...to];
    },
    burst(count: number) {
      for (let left = count; left > 0; left -= 1) begin(send(compose()));
    },
    stop() {
      stopped = true;
    },
    async finished() {
      while (work.size > 0) await Promise.all(work);
    },
    again: (deposits: Iterable<Deposit>) => Promise.all([...deposits].map(send)),
  };
}

interface Stage {
  readonly sender: DepositSender;
  readonly client: Subscriber;
  readonly senders: ReturnType<typeof traffic>;
  readonly plan: ReturnType<typeof planOf>;
}

function must(held: boolean, what: string, server: Server): void {
  if (!held) throw new Error(`the round did not come so far: ${what}\n${server.log()}`);
}

/** Deposits, registers, pushes; resolves with the 202s within the push. */
async function work(stage: Stage, server: Server): Promise<number> {
  const { sender, client, senders, plan } = stage;
  const { acknowledged } = sender;
  const soon = async (condition: () => boolean, what: string) =>
    must(await client.until(condition, PATIENCE_MS), what, server);
  senders.start();
  await soon(() => acknowledged.size >= plan.waiting, `${plan.waiting} deposits`);
  client.hold(PUSHED);
  for (const user of plan.besides) await client.register(user);
  must((await client.register(PUSHED)) === 200, 'a 200 to REGISTER', server);
  await soon(() => client.receipts.some(({ user }) => user === PUSHED), 'a first SEND');
  const sinceSend = acknowledged.size;
  const enough = sinceSend + plan.duringPush;
  await soon(() => acknowledged.size >= enough, `${plan.duringPush} deposits during the push`);
  if (plan.killed === 'pushing') {
    // One by one, while messages still come in, up to a moment that the seed chooses.
    for (let left = plan.taken; left > 0 || acknowledged.size < ENOUGH; left -= 1) {
      if (client.held() > HELD_AT_KILL) client.acknowledge(1);
      await pause(1);
    }
    return acknowledged.size - sinceSend;
  }
  const duringPush = acknowledged.size - sinceSend;
  // The push comes to its end when nothing joins it any more.
  senders.address(USERS.filter((user) => user !== PUSHED));
  client.flow();
  const ended = () => client.sessions.some(({ user, byes }) => user === PUSHED && byes > 0);
  await soon(ended, 'a BYE');
  senders.address(USERS);
  const more = Math.max(ENOUGH, acknowledged.size) + plan.afterPush;
  await soon(() => acknowledged.size >= more, `${more} deposits`);
  return duringPush;
}

/** Kills in the middle of a burst; tells how many requests were unanswered. */
async function kill({ sender, senders, plan }: Stage, server: Server): Promise<number> {
  senders.burst(BURST);
  const answered = sender.reached(sender.acknowledged.size + plan.ofBurst);
  await Promise.race([answered, pause(BURST_MS)]);
  senders.burst(LAST);
  const unanswered = sender.unanswered();
  await server.kill('SIGKILL');
  return unanswered;
}

/** What the clients know and what the log holds while the server is dead. */
async function lookAround({ sender, client }: Stage, data: string): Promise<Kill> {
  // What the dead server had sent is still to be read.
  await client.until(() => client.connections() === 0, PATIENCE_MS);
  return {
    acknowledged: new Set(sender.acknowledged),
    received: client.receipts.length,
    log: await readLog(join(data, 'store')),
  };
}

/** After the restart: everything is sent again, everybody registers, everything is delivered. */
async function settle({ sender, client, senders }: Stage): Promise<void> {
  await senders.finished();
  await senders.again(sender.sent.values());
  for (const user of USERS) await client.register(user);
  const drained = () => {
    const received = new Set(client.receipts.map(({ token }) => token));
    return received.size >= sender.sent.size && client.sessions.every(({ byes }) => byes > 0);
  };
  await client.until(drained, PATIENCE_MS);
}

/** Runs one round; what is wrong is in the report, only a round that cannot go on rejects. */
export async function crashRound({ seed, launcher }: CrashRound): Promise<CrashReport> {
  const plan = planOf(seed);
  const kills: Kill[] = [];
  const data = await mkdtemp(join(tmpdir(), 'restante-crash-'));
  const args = ['--log-level', 'warn', '--journal', plan.journal];
  let server = await startServer({ data, launcher, args });
  const { sipPort, msrpPort, httpPort } = server;
  const again = () => startServer({ data, launcher, args, sipPort, msrpPort, httpPort });
  const sender = await depositSender(sipPort, `m${seed}`);
  const client = await subscriber(sipPort);
  const stage: Stage = { sender, client, senders: traffic(sender, plan.traffic), plan };
  try {
    const duringPush = await work(stage, server);
    const unanswered = await kill(stage, server);
    const { repeated } = sender;
    const sessionsAtKill = client.sessions.filter(({ byes }) => byes === 0).length;
    kills.push(await lookAround(stage, data));
    client.flow();
    server = await again();
    if (plan.killAgainMs !== undefined) {
      // Once more, while the first kill is being recovered from.
      await pause(plan.killAgainMs);
      await kill(stage, server);
      kills.push(await lookAround(stage, data));
      server = await again();
    }
    stage.senders.stop();
    await settle(stage);
    await server.kill('SIGTERM');
    const atEnd = await readLog(join(data, 'store'));
    const { receipts } = client;
    const open = client.sessions.filter(({ byes }) => byes === 0);
    const violations = violationsOf({
      sent: sender.sent,
      refusals: stage.senders.refusals,
      receipts,
      openSessions: open.map(({ user, callId }) => `${user}, ${callId}`),
      kills,
      atEnd,
    });
    const [first] = kills;
    const early = new Set(receipts.slice(0, first?.received).map(({ token }) => token));
    const counts: CrashCounts = {
      kills: kills.length,
      acknowledgedBeforeKill: first?.acknowledged.size ?? 0,
      acknowledgedDuringPush: duringPush,
      unansweredAtKill: unanswered,
      repeatedBeforeKill: repeated,
      deliveredAtKill: first?.log.acknowledged.length ?? 0,
      sessionsAtKill,
      pushedAgain: receipts.slice(first?.received).filter(({ token }) => early.has(token)).length,
      deposits: sender.sent.size,
      events: atEnd.events,
    };
    return { seed, killed: plan.killed, counts, violations };
  } finally {
    sender.close();
    client.close();
    await server.remove();
    await rm(data, { recursive: true, force: true });
  }
}
