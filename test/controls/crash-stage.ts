/** Server, senders and a subscriber around a kill: the server dies, its clients do not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kill, type Violation, violationsOf } from './crash-checks.ts';
import { type LogFacts, readLog } from './crash-log.ts';
import { type Step, type Subscriber, subscriber } from './crash-subscriber.ts';
import { type Deposit, type DepositSender, depositSender } from './deposit-sender.ts';
import { type Server, startServer } from './server.ts';

export const USERS = ['bob', 'carol', 'dave', 'erin'];
/** Takes the push that the kill comes in the middle of. */
export const PUSHED = 'bob';
const WORKERS = 8;
/** Padding of bodies: whole messages stay below what must be sent in interruptible chunks. */
const BODY_BYTES_MAX = 700;
/** No measure: far beyond what a loaded machine needs, and short of the runner's own timeout. */
const PATIENCE_MS = 20_000;

export interface CrashStage {
  readonly sender: DepositSender;
  readonly client: Subscriber;
  readonly senders: ReturnType<typeof traffic>;
  /** What was known at each kill so far. */
  readonly kills: readonly Kill[];
  /** Rejects with the server's log when the condition does not come true. */
  soon(condition: () => boolean, what: string): Promise<void>;
  /** Sends SIGKILL at once; resolves when the clients have read what the dead server had sent. */
  kill(): Promise<void>;
  /** Starts the server again, on the same folder and ports. */
  restart(): Promise<void>;
  /**
   * Everything is sent again, everybody registers, everything should be delivered; the server ends
   * by itself, and log and clients are compared.
   */
  settle(): Promise<{ readonly violations: readonly Violation[]; readonly atEnd: LogFacts }>;
  remove(): Promise<void>;
}

/** Chooses a number below the limit. */
export type Below = (limit: number) => number;

/** Lehmer's generator: the same choices for the same seed. */
export function chooser(seed: number): Below {
  let state = (Math.abs(seed) % 2_147_483_646) + 1;
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
}

export function pause(ms: number): Promise<void> {
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

/** Starts the server in a new folder, and its clients. */
export async function crashStage(options: {
  readonly launcher: string;
  readonly name: string;
  readonly journal: string;
  readonly below: Below;
  /** Told what the subscriber's client takes, before it answers. */
  readonly onStep?: (step: Step) => void;
}): Promise<CrashStage> {
  const { launcher, name, journal, below, onStep } = options;
  const data = await mkdtemp(join(tmpdir(), 'restante-crash-'));
  const store = join(data, 'store');
  // Deposits go on while subscribers are registered, and each is to be stored and pushed.
  const args = ['--log-level', 'warn', '--journal', journal, '--forward', 'off'];
  let server: Server = await startServer({ data, launcher, args });
  const { sipPort, msrpPort, httpPort } = server;
  const sender = await depositSender(sipPort, name);
  const client = await subscriber(sipPort, onStep);
  const senders = traffic(sender, below);
  const kills: Kill[] = [];

  function drained(): boolean {
    const received = new Set(client.receipts.map(({ token }) => token));
    return received.size >= sender.sent.size && client.sessions.every(({ byes }) => byes > 0);
  }

  return {
    sender,
    client,
    senders,
    kills,
    async soon(condition, what) {
      if (await client.until(condition, PATIENCE_MS)) return;
      throw new Error(`the round did not come so far: ${what}\n${server.log()}`);
    },
    async kill() {
      await server.kill('SIGKILL');
      await client.until(() => client.connections() === 0, PATIENCE_MS);
      kills.push({
        acknowledged: new Set(sender.acknowledged),
        received: client.receipts.length,
        log: await readLog(store),
      });
    },
    async restart() {
      server = await startServer({ data, launcher, args, sipPort, msrpPort, httpPort });
    },
    async settle() {
      senders.stop();
      await senders.finished();
      await senders.again(sender.sent.values());
      for (const user of USERS) await client.register(user);
      await client.until(drained, PATIENCE_MS);
      await server.kill('SIGTERM');
      const atEnd = await readLog(store);
      const open = client.sessions.filter(({ byes }) => byes === 0);
      const violations = violationsOf({
        sent: sender.sent,
        refusals: senders.refusals,
        receipts: client.receipts,
        openSessions: open.map(({ user, callId }) => `${user}, ${callId}`),
        kills,
        atEnd,
      });
      return { violations, atEnd };
    },
    async remove() {
      sender.close();
      client.close();
      await server.remove();
      await rm(data, { recursive: true, force: true });
    },
  };
}
