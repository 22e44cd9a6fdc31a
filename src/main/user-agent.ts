/** `restante ua`: the independent client, its answers printed for a person or a program. */
import type { CommandLine, Output } from '../adapters/cli/command-line.ts';
import { jsonLine } from '../adapters/cli/table.ts';
import { receiver } from '../adapters/ua/receiver.ts';
import { sendMessages } from '../adapters/ua/send-messages.ts';
import { visible } from '../wire/visible.ts';

const OK = 0;
const FINDING = 1;

export function userAgent(output: Output, version: string): CommandLine['ua'] {
  const print = (json: boolean, data: object, text: string): void => {
    void output.write(json ? jsonLine(data) : `${visible(text)}\n`);
  };
  return {
    async send({ json, expiresSeconds, ...options }) {
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
      return sent.every(({ status }) => status >= 200 && status < 300) ? OK : FINDING;
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
        return FINDING;
      }
      for (let count = 0; count < deliveries; count += 1) {
        const delivery = await client.delivery();
        const { messages, ...facts } = delivery;
        const ended = { ...facts, messages: messages.length };
        print(json, ended, `delivery ended after ${messages.length} messages`);
      }
      client.close();
      return OK;
    },
  };
}
