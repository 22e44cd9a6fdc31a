/** `restante ua`: the independent client, its answers printed for a person or a program. */
import { stat } from 'node:fs/promises';
import type { CommandLine, Output, UaSendOptions } from '../adapters/cli/command-line.ts';
import { EXIT, problemText } from '../adapters/cli/problem.ts';
import { jsonLine } from '../adapters/cli/table.ts';
import { receiver } from '../adapters/ua/receiver.ts';
import { type LargeMessage, type LargeSession, sendLarge } from '../adapters/ua/send-large.ts';
import { sendMessages } from '../adapters/ua/send-messages.ts';
import { visible } from '../wire/visible.ts';

export function userAgent(output: Output, version: string): CommandLine['ua'] {
  const print = (json: boolean, data: object, text: string): void => {
    void output.write(json ? jsonLine(data) : `${visible(text)}\n`);
  };

  async function sendTexts({ json, expiresSeconds, ...options }: UaSendOptions): Promise<number> {
    const sent = await sendMessages({
      ...options,
      ...(expiresSeconds === undefined ? {} : { expires: expiresSeconds }),
      version,
      onAnswer: (answer) =>
        print(
          json,
          answer,
          `${answer.status} ${answer.reason}  ${answer.callId}  ${answer.ms.toFixed(1)} ms`,
        ),
    });
    return sent.every(({ status }) => status >= 200 && status < 300) ? EXIT.ok : EXIT.finding;
  }

  async function sendContents(
    { json, expiresSeconds, ...options }: UaSendOptions,
    files: readonly string[],
  ): Promise<number> {
    const missing = await firstUnreadable(files);
    if (missing !== undefined) {
      const what = `${visible(missing)} is no file that can be read`;
      output.error(problemText({ what, where: '--file', todo: 'name a file that is there' }));
      return EXIT.usage;
    }
    const { sessions } = await sendLarge({
      ...options,
      ...(expiresSeconds === undefined ? {} : { expires: expiresSeconds }),
      version,
      sessions: contentsOf(options, files).map((message) => [message]),
      onSession: ({ untilServerBye, ...session }) => print(json, session, summary(session)),
    });
    const outcomes = sessions.flatMap(({ messages }) => messages);
    return outcomes.every(({ outcome }) => outcome === 'acknowledged') ? EXIT.ok : EXIT.finding;
  }

  return {
    send({ large, ...options }) {
      return large === undefined ? sendTexts(options) : sendContents(options, large.files);
    },
    async receive({ json, host, sipPort, msrpPort, deliveries, ...options }) {
      const client = await receiver({
        ...options,
        listen: { host, sipPort, msrpPort },
        version,
        onMessage: (message) => {
          const { from = '', date = '', subject = '', text = '' } = message;
          const { inner, ...facts } = message;
          print(
            json,
            { ...facts, innerBytes: inner.length },
            `${date}  ${from}  ${subject}: ${text}`,
          );
        },
      });
      print(json, client.registered, `registered: ${client.registered.status}`);
      if (client.registered.status !== 200) {
        client.close();
        return EXIT.finding;
      }
      for (let count = 0; count < deliveries; count += 1) {
        const delivery = await client.delivery();
        const { messages, ...facts } = delivery;
        const ended = { ...facts, messages: messages.length };
        print(json, ended, `delivery ended after ${messages.length} messages`);
      }
      client.close();
      return EXIT.ok;
    },
  };
}

/** The first of them that is no file. */
async function firstUnreadable(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() !== true) return file;
  }
  return undefined;
}

function contentsOf(
  { bodies, contentType }: Pick<UaSendOptions, 'bodies' | 'contentType'>,
  files: readonly string[],
): readonly LargeMessage[] {
  const texts =
    typeof bodies === 'number'
      ? Array.from({ length: bodies }, (_, index) => `message ${index + 1} of ${bodies}`)
      : bodies;
  const textType = contentType ?? 'text/plain;charset=UTF-8';
  const fileType = contentType ?? 'application/octet-stream';
  return [
    ...texts.map((text) => ({ content: new TextEncoder().encode(text), contentType: textType })),
    ...files.map((file) => ({ content: { file }, contentType: fileType })),
  ];
}

function summary({ callId, invite, messages, bye }: Omit<LargeSession, 'untilServerBye'>): string {
  const outcomes = messages.map((message) => {
    const { outcome, ms } = message;
    const why =
      'status' in message ? ` ${message.status}` : 'reason' in message ? `: ${message.reason}` : '';
    return `${outcome}${why} (${ms.toFixed(1)} ms)`;
  });
  const ended =
    bye === undefined ? [] : [bye === 'received' ? 'BYE received' : `BYE ${bye.status}`];
  return [`${invite.status} ${invite.reason}`, callId, ...outcomes, ...ended].join('  ');
}
