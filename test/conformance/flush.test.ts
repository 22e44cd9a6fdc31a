/**
 * SIGKILL cannot show a missing flush, since the page cache survives it: the system calls can.
 * Every 202, the 200 to REGISTER and the BYE must leave after a whole commit that began when what
 * they promise had arrived (T-01, T-11).
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { subscriber } from '../controls/crash-subscriber.ts';
import { renderSip } from '../controls/crash-udp-peer.ts';
import { type Defect, serverBuild } from '../controls/defects.ts';
import { depositSender } from '../controls/deposit-sender.ts';
import { answersOf, byesOf, commitsOf, TRACED, unflushed } from '../controls/strace-flush.ts';
import { tracedServer } from '../controls/strace-server.ts';

const STRACE = spawnSync('strace', ['-V']).status === 0;
if (!STRACE) {
  console.warn('SKIPPED: nothing shows that answers wait for the flush, for strace is missing');
}

const DEPOSITS = 6;
/** What is journaled goes out with a later commit, which must not stand in for a missing one. */
const QUIET_MS = 60;
const PUSH_WITHIN_MS = 20_000;

function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}

async function depositOverTcp(port: number, user: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  for (let count = 0; count < DEPOSITS; count += 1) {
    const lines = [
      `Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKtcp${count}`,
      'Max-Forwards: 70',
      `From: <sip:alice@example.org>;tag=tcp${count}`,
      `To: <sip:${user}@example.org>`,
      `Call-ID: tcp${count}@sender.example.org`,
      'CSeq: 1 MESSAGE',
      'Content-Type: text/plain',
    ];
    socket.write(
      renderSip(`MESSAGE sip:${user}@example.org SIP/2.0`, lines, `token=tcp-${count} `),
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^SIP\/2\.0 202 /);
    await quiet();
  }
  socket.destroy();
}

/** Deposits over UDP and TCP, then one whole push, all under strace. */
async function flushRun(defect?: Defect) {
  const launcher = await serverBuild(defect);
  const traced = await tracedServer({ launcher, calls: TRACED, textMax: 2_000 });
  const { server } = traced;
  const sender = await depositSender(server.sipPort, 'udp');
  const client = await subscriber(server.sipPort);
  try {
    for (let count = 0; count < DEPOSITS; count += 1) {
      // Two copies in one batch: the second is ignored, and may be answered no earlier (C-15).
      const deposit = sender.compose('bob', 200);
      const copies = [sender.send(deposit), sender.send(deposit)];
      expect(await Promise.all(copies)).toEqual([202, 202]);
      await quiet();
    }
    await depositOverTcp(server.sipPort, 'bob');
    expect(await client.register('bob')).toBe(200);
    const done = () => client.sessions.some(({ byes }) => byes > 0);
    expect(await client.until(done, PUSH_WITHIN_MS)).toBe(true);
    expect(new Set(client.receipts.map(({ token }) => token)).size).toBe(2 * DEPOSITS);
    await quiet();
    const calls = await traced.ended();
    const commits = commitsOf(calls);
    const [answers, byes] = [answersOf(calls), byesOf(calls)];
    expect(answers.filter(({ what }) => what.startsWith('202 to MESSAGE'))).toHaveLength(
      3 * DEPOSITS,
    );
    expect(answers.filter(({ what }) => what.startsWith('200 to REGISTER'))).toHaveLength(1);
    expect(byes).toHaveLength(1);
    expect(byes[0]?.arrived).toBeGreaterThan(0);
    const early = unflushed([...answers, ...byes], commits);
    console.log(
      `${defect ?? 'sound'}: ${calls.length} calls, ${commits.length} flushed commits, ` +
        `${answers.length + byes.length} promises, ${early.length} of them early`,
    );
    return { commits: commits.length, promised: answers.length + byes.length, early };
  } finally {
    sender.close();
    client.close();
    await traced.remove();
  }
}

describe.skipIf(!STRACE)('under strace', () => {
  test('202, 200 to REGISTER and BYE leave when what they promise is flushed [IM-11.3.2.5-1]', async () => {
    const { early, commits } = await flushRun();
    expect(early).toEqual([]);
    expect(commits).toBeGreaterThan(2 * DEPOSITS);
  });

  test('a server that answers before the flush is found out', async () => {
    const { early } = await flushRun('acknowledgeBeforeFlush');
    expect(early.filter((what) => what.startsWith('202 to MESSAGE')).length).toBeGreaterThan(0);
  });

  test('a server whose store does not flush is found out', async () => {
    const { early, promised, commits } = await flushRun('unsafeNoSync');
    expect(commits).toBe(0);
    expect(early).toHaveLength(promised);
  });
});
