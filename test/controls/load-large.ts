/**
 * A process of its own that leaves files as Large messages, a session for each, and prints one line
 * of JSON: what became of each, and how long it took from its first octet to its last 200.
 */
import { sendLarge } from '../../src/adapters/ua/send-large.ts';

export interface LargeLoad {
  readonly sipPort: number;
  readonly user: string;
  readonly file: string;
  readonly count: number;
  readonly chunkBytes?: number;
}

export interface LargeReport {
  /** `acknowledged`, or what else it came to. */
  readonly outcomes: readonly string[];
  readonly ms: readonly number[];
}

const { sipPort, user, file, count, chunkBytes } = JSON.parse(process.argv[2] ?? '{}') as LargeLoad;
const { sessions, close } = await sendLarge({
  server: { transport: 'tcp', host: '127.0.0.1', port: sipPort },
  from: 'sip:bob@example.org',
  to: `sip:${user}@example.org`,
  domain: 'example.org',
  sessions: Array.from({ length: count }, () => [
    { content: { file }, contentType: 'application/octet-stream' },
  ]),
  ...(chunkBytes === undefined ? {} : { chunkBytes }),
});
close();
const messages = sessions.flatMap((session) => session.messages);
const report: LargeReport = {
  outcomes: messages.map(({ outcome }) => outcome),
  ms: messages.map(({ ms }) => ms),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
