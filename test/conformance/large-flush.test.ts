/**
 * The last 200 of a Large message under strace: body, name and log are flushed before it (T-01). A
 * kill cannot show that, since the page cache survives it.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { sendLarge } from '../../src/adapters/ua/send-large.ts';
import { TRACED as BLOB_TRACED, flushVerdict } from '../adapters/blob/blob-flush.ts';
import { type Defect, serverBuild } from '../controls/defects.ts';
import { commitWith, sendsOf, TRACED } from '../controls/strace-flush.ts';
import { tracedServer } from '../controls/strace-server.ts';

const STRACE = spawnSync('strace', ['-V']).status === 0;
if (!STRACE) {
  console.warn('SKIPPED: nothing shows that Large messages are flushed, for strace is missing');
}

const SESSIONS = 4;
const BODY_BYTES = 300_000;
/** Larger than what is read of a socket at a time: the end-line stands behind it all. */
const TEXT_MAX = 80_000;
const CALLS = [...new Set([...TRACED.split(','), ...BLOB_TRACED.split(',')])].join(',');

const contents = Array.from({ length: SESSIONS }, (_, at) => Buffer.alloc(BODY_BYTES, 97 + at));
const names = contents.map((content) => createHash('sha256').update(content).digest('hex'));

/** As the MessageDeferred of a message names its content. */
const reference = (sha256: string) => `\\"blob\\":\\"${sha256}\\"`;

/** One session after another, with a message in each. */
async function flushRun(defect?: Defect) {
  const launcher = await serverBuild(defect);
  // What is journaled would be written to the log as it is to the wire.
  const args = ['--journal', 'off', '--log-level', 'warn', '--forward', 'off'];
  const traced = await tracedServer({ launcher, calls: CALLS, textMax: TEXT_MAX, args });
  try {
    const { sessions, close } = await sendLarge({
      server: { host: '127.0.0.1', port: traced.server.sipPort, transport: 'udp' },
      ...{ from: 'sip:alice@example.org', to: 'sip:bob@example.org', domain: 'example.org' },
      sessions: contents.map((content) => [{ content, contentType: 'text/plain' }]),
    });
    close();
    const outcomes = sessions.flatMap(({ messages }) => messages.map(({ outcome }) => outcome));
    expect(outcomes).toEqual(contents.map(() => 'acknowledged'));
    const calls = await traced.ended();
    const answers = sendsOf(calls);
    expect(answers).toHaveLength(SESSIONS);
    const told = new Map(names.map((sha256, at) => [sha256, answers[at]?.left ?? 0]));
    const bodies = flushVerdict(calls, told).early;
    const log = [...told].filter(([sha256, left]) => {
      const commit = commitWith(calls, reference(sha256));
      return commit === undefined || commit.flushed > left;
    }).length;
    console.log(
      `${defect ?? 'sound'}: ${calls.length} calls, ${answers.length} answers, ` +
        `${log} before the log, ${bodies.length} before the body`,
    );
    return { log, bodies };
  } finally {
    await traced.remove();
  }
}

describe.skipIf(!STRACE)('under strace', () => {
  test('the last 200 leaves when body, name and log are flushed [IM-11.3.2.2-3] [T-01]', async () => {
    expect(await flushRun()).toEqual({ log: 0, bodies: [] });
  });

  test('a server that answers before the log is flushed is found out', async () => {
    const { log } = await flushRun('acknowledgeBeforeFlush');
    expect(log).toBeGreaterThan(0);
  });

  test('a server that does not flush the body is found out', async () => {
    const { log, bodies } = await flushRun('contentUnflushed');
    expect(log).toBe(0);
    expect(bodies).toEqual(contents.map(() => 'renamed before its flush'));
  });

  test('a server that answers before it has kept anything is found out', async () => {
    const { log, bodies } = await flushRun('answerBeforeSeal');
    expect(log).toBe(SESSIONS);
    expect(bodies).toHaveLength(SESSIONS);
  });
});
