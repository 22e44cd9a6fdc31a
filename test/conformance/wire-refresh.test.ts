/** The running server: its client refreshes a push that is under way, over TCP. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  fixturesAvailable,
  headerOf,
  type PushFlow,
  playPush,
} from '../controls/scripted-peer-flow.ts';
import { sipRequest } from '../controls/sip-agent-stage.ts';

const body = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);

describe.skipIf(!fixturesAvailable())('a push is refreshed', () => {
  let flow: PushFlow;
  const answers: string[] = [];

  beforeAll(async () => {
    flow = await playPush(undefined, async (dialog, invite, answer) => {
      const within = (method: string, cseq: number, sdp: string) =>
        sipRequest(
          method,
          '',
          {
            Via: `SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK${method}${cseq}`,
            From: headerOf(answer, 'To'),
            To: headerOf(answer, 'From'),
            'Call-ID': headerOf(invite, 'Call-ID'),
            CSeq: `${cseq} ${method}`,
            Contact: headerOf(answer, 'Contact'),
            'Content-Type': 'application/sdp',
          },
          { body: sdp },
        );
      const moved = body(answer).replace(/(a=path:\S*\/)[^;]*;/, '$1other;');
      for (const [at, sdp] of [body(answer), moved].entries()) {
        dialog.send(within('UPDATE', at + 1, sdp));
        answers.push(String(await dialog.next()));
      }
      dialog.send(within('INVITE', 3, body(answer)));
      answers.push(String(await dialog.next()));
      dialog.send(within('ACK', 3, ''));
    });
  });
  afterAll(() => flow?.close());

  test('as it stands → 200, with another session id → 488 [RFC 3261 §14.2]', () => {
    expect(answers.map((answer) => answer.split(' ')[1])).toEqual(['200', '488', '200']);
    expect(body(answers[2] ?? '').replace('setup:active', 'setup:actpass')).toBe(body(flow.invite));
  });

  test('the message gets there in that session [RFC 3261 §14.2]', () => {
    expect(flow.sends).toHaveLength(1);
    expect(flow.bye).toMatch(/^BYE /);
  });
});
