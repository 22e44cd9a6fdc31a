/** An INVITE without an offer: our 200 makes one, and the ACK has the answer (RFC 3261 §13.2.1). */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type DepositCaller,
  depositCaller,
  type Headers,
  senderSdp,
  statusOf,
} from '../../controls/deposit-caller.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

let caller: DepositCaller;
afterEach(async () => {
  expect(caller.stage.faults).toEqual([]);
  await caller.close();
});

const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);

/** INVITE without an offer, 200 with ours, ACK with this; gives the 200. */
async function answered(body: string): Promise<string> {
  caller = await depositCaller();
  const headers = { 'Accept-Contact': '*;+g.oma.sip-im.large-message' };
  const offer = await caller.ask('INVITE', 1, { headers });
  caller.say('ACK', 1, { to: headerOf(offer, 'To'), body });
  return offer;
}
const answerSdp = (changes: Headers = {}) => senderSdp({ setup: 'a=setup:passive', ...changes });

it('our 200 has an offer, either side may connect; nothing is opened before the answer [RFC 3264 §5]', async () => {
  caller = await depositCaller();
  const headers = { 'Accept-Contact': '*;+g.oma.sip-im.large-message' };
  const offer = await caller.ask('INVITE', 1, { headers });
  const [deposit] = (await caller.event('DepositOffered')).stream.split('-').slice(1);
  expect(bodyOf(offer).split('\r\n').slice(4)).toEqual([
    ...['t=0 0', 'm=message 2855 TCP/MSRP *', 'a=recvonly', 'a=accept-types:*', 'a=setup:actpass'],
    ...['a=max-size:10485760', `a=path:msrp://127.0.0.1:2855/s${deposit};tcp`, ''],
  ]);
  expect(headerOf(offer, 'Content-Type')).toBe('application/sdp');
  expect((await caller.event('DepositOffered')).data).not.toHaveProperty('end');
  expect(caller.stage.senders.opened.size).toBe(0);
});

it.each([
  ['active: the sender connects', 'a=setup:active', 'active'],
  ['passive: we connect', 'a=setup:passive', 'passive'],
  ['nothing said: we connect, who offered', '', 'passive'],
] as const)('an answer %s [RFC 4975 §5.4] [RFC 6135 §4]', async (_, setup, end) => {
  await answered(answerSdp({ setup }));
  await caller.event('AckReceived');
  expect(caller.session().end).toEqual({
    path: ['msrp://127.0.0.1:7394/send...;tcp'],
    setup: end,
  });
  expect(await caller.leave('mid1')).toBe(200);
  // The record has the INVITE as it came, and the offer that was ours.
  const record = await caller.record();
  expect(String(Buffer.from(record?.invite ?? []))).toMatch(/\r\nContent-Length: 0\r\n\r\n$/);
  expect(String(Buffer.from(record?.answer ?? []))).toContain('a=setup:actpass');
});

it('the session of the answer is not to be changed either → 488; the same → 200', async () => {
  const offer = await answered(answerSdp());
  await caller.event('AckReceived');
  const to = headerOf(offer, 'To');
  const other = answerSdp({ path: 'a=path:msrp://127.0.0.1:7394/another;tcp' });
  expect(statusOf(await caller.ask('UPDATE', 2, { to, body: other }))).toBe(488);
  expect(statusOf(await caller.ask('UPDATE', 3, { to, body: answerSdp() }))).toBe(200);
});

describe('an answer by which no message could come → our BYE behind the ACK [RFC 3261 §13.2.2.4]', () => {
  it.each([
    ['none at all', '', /SDP/],
    ['a port of 0', answerSdp({ media: 'm=message 0 TCP/MSRP *' }), /port 0/],
    ['recvonly', answerSdp({ direction: 'a=recvonly' }), /sends nothing/],
    ['inactive', answerSdp({ direction: 'a=inactive' }), /sends nothing/],
    [
      'another protocol',
      answerSdp({
        media: 'm=message 7394 TCP/TLS/MSRP *',
        path: 'a=path:msrps://127.0.0.1:7394/senderssession;tcp',
      }),
      /not what was offered: TCP\/TLS\/MSRP/,
    ],
    ['no path', answerSdp({ path: '' }), /path/],
    [
      'a path that nobody can connect to',
      answerSdp({ path: 'a=path:msrp://127.0.0.1:7394/s;sctp' }),
      /not what was offered/,
    ],
  ] as const)('%s', async (_, body, why) => {
    const offer = await answered(body);
    const bye = await caller.requested('BYE');
    expect(headerOf(bye, 'From')).toBe(headerOf(offer, 'To'));
    caller.reply(bye, '200 OK');
    await caller.event('ByeAnswered');
    const { data } = await caller.event('AckReceived');
    expect((data as { readonly unacceptable?: string }).unacceptable).toMatch(why);
    expect(await caller.types()).toEqual(['DepositOffered', 'AckReceived', 'ByeAnswered']);
    expect(caller.stage.senders.opened.size).toBe(0);
  });
});
