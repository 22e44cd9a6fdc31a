/**
 * One crash round: messages are deposited without a pause, a subscriber takes a push slowly, the
 * server is killed at a seeded moment, started again and asked for everything that it owes.
 */
import type { Violation } from './crash-checks.ts';
import { type CrashStage, chooser, crashStage, PUSHED, pause, USERS } from './crash-stage.ts';

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

/** Messages that the client has at the kill and has not acknowledged, at least. */
const HELD_AT_KILL = 4;
const BURST = 24;
/** A loaded server may answer none of it: then the time decides. */
const BURST_MS = 40;
/** Still on their way when the signal is sent. */
const LAST = 4;
/** 202s before a kill, at least. */
const ENOUGH = 200;

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

type Plan = ReturnType<typeof planOf>;

/** Deposits, registers, pushes; resolves with the 202s within the push. */
async function work(stage: CrashStage, plan: Plan): Promise<number> {
  const { sender, client, senders, soon } = stage;
  const { acknowledged } = sender;
  senders.start();
  await soon(() => acknowledged.size >= plan.waiting, `${plan.waiting} deposits`);
  client.hold(PUSHED);
  for (const user of plan.besides) await client.register(user);
  await client.register(PUSHED);
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
async function killInBurst(stage: CrashStage, plan: Plan): Promise<number> {
  const { sender, senders } = stage;
  senders.burst(BURST);
  const answered = sender.reached(sender.acknowledged.size + plan.ofBurst);
  await Promise.race([answered, pause(BURST_MS)]);
  senders.burst(LAST);
  const unanswered = sender.unanswered();
  await stage.kill();
  return unanswered;
}

/** Runs one round; what is wrong is in the report, only a round that cannot go on rejects. */
export async function crashRound({ seed, launcher }: CrashRound): Promise<CrashReport> {
  const plan = planOf(seed);
  const { journal, traffic: below } = plan;
  const stage = await crashStage({ launcher, name: `m${seed}`, journal, below });
  const { client, sender, kills } = stage;
  try {
    const duringPush = await work(stage, plan);
    const unanswered = await killInBurst(stage, plan);
    const { repeated } = sender;
    const sessionsAtKill = client.sessions.filter(({ byes }) => byes === 0).length;
    client.flow();
    await stage.restart();
    if (plan.killAgainMs !== undefined) {
      // Once more, while the first kill is being recovered from.
      await pause(plan.killAgainMs);
      await killInBurst(stage, plan);
      await stage.restart();
    }
    const { violations, atEnd } = await stage.settle();
    const [first] = kills;
    const before = new Set(client.receipts.slice(0, first?.received).map(({ token }) => token));
    const after = client.receipts.slice(first?.received);
    const counts: CrashCounts = {
      kills: kills.length,
      acknowledgedBeforeKill: first?.acknowledged.size ?? 0,
      acknowledgedDuringPush: duringPush,
      unansweredAtKill: unanswered,
      repeatedBeforeKill: repeated,
      deliveredAtKill: first?.log.acknowledged.length ?? 0,
      sessionsAtKill,
      pushedAgain: after.filter(({ token }) => before.has(token)).length,
      deposits: sender.sent.size,
      events: atEnd.events,
    };
    return { seed, killed: plan.killed, counts, violations };
  } finally {
    await stage.remove();
  }
}
