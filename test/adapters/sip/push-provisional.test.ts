/** Provisional responses to the push INVITE, and what of them a 2xx may leave out (RFC 3262, A-28). */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clientSdp, type PushStage, pushStage } from '../../controls/push-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

let push: PushStage;
beforeEach(async () => {
  push = await pushStage('udp');
});
afterEach(() => push.close());

const reliable = (rseq: number) => [`Contact: ${push.contact}`, 'Require: 100rel', `RSeq: ${rseq}`];

test('after a gap → no PRACK, and it is in the journal all the same [RFC 3262 §4]', async () => {
  push.reply(push.invite, '180 Ringing', { headers: reliable(7) });
  push.reply(await push.next(), '200 OK');
  push.reply(push.invite, '183 Session Progress', { headers: reliable(9) });
  push.reply(push.invite, '182 Queued', { headers: reliable(8) });
  expect(headerOf(await push.next(), 'RAck')).toBe('8 1 INVITE');
  expect(await push.stage.journal()).toContain('< SIP/2.0 183 Session Progress');
});

test('without a To-tag there is no dialog → no PRACK [RFC 3262 §4]', async () => {
  push.reply(push.invite, '180 Ringing', { headers: reliable(7), tag: '' });
  await push.event('InviteProgressed');
  expect(await push.heard()).toEqual(['INVITE 1']);
});

test('the PRACK goes the way of its fork: its Contact, its Record-Route reversed [RFC 3261 §12.1.2]', async () => {
  const routes = ['Record-Route: <sip:b@127.0.0.1:5098;lr>', `Record-Route: ${loose()}`];
  push.reply(push.invite, '180 Ringing', { headers: [...reliable(1), ...routes], tag: 'fork' });
  const prack = await push.next();
  const target = /<([^>]*)>/.exec(push.contact)?.[1];
  expect(prack.split(' ')[1]).toBe(target);
  expect(prack.match(/^Route: .*$/gm)).toEqual([
    `Route: ${loose()}`,
    'Route: <sip:b@127.0.0.1:5098;lr>',
  ]);
  expect(headerOf(prack, 'To')).toMatch(/;tag=fork$/);
});

test('the answer came in a reliable 183, the 2xx has none → pushed [RFC 3262 §5]', async () => {
  push.reply(push.invite, '183 Session Progress', { headers: reliable(1), sdp: clientSdp() });
  push.reply(await push.next(), '200 OK');
  push.reply(push.invite, '200 OK', { headers: [`Contact: ${push.contact}`] });
  expect(await push.next()).toMatch(/^ACK /);
  await push.bind();
  push.acknowledge();
  expect(headerOf(await push.next(), 'CSeq')).toBe('3 BYE');
});

test('two forks answered in reliable 183s, the first has no answer in its 2xx → pushed [RFC 3262 §5]', async () => {
  for (const tag of ['ue', 'fork']) {
    const sdp = clientSdp();
    push.reply(push.invite, '183 Session Progress', { headers: reliable(1), sdp, tag });
    push.reply(await push.next(), '200 OK');
  }
  // The answer stands: what comes behind it is none (RFC 3261 §13.2.1).
  const other = clientSdp({ port: 'm=message 0 TCP/MSRP *' });
  push.reply(push.invite, '180 Ringing', { headers: reliable(2), sdp: other });
  push.reply(await push.next(), '200 OK');
  push.reply(push.invite, '200 OK', { headers: [`Contact: ${push.contact}`] });
  expect(await push.next()).toMatch(/^ACK /);
  await push.bind();
});

test('the answer came unreliably → it does not count without one in the 2xx [RFC 3261 §13.2.1]', async () => {
  const headers = [`Contact: ${push.contact}`];
  push.reply(push.invite, '183 Session Progress', { headers, sdp: clientSdp() });
  await push.event('InviteProgressed');
  push.reply(push.invite, '200 OK', { headers });
  await push.next();
  push.reply(await push.next(), '200 OK');
  expect((await push.fate()).end).toBe('notAcceptable');
});

test('the 2xx has no Contact → ACK and BYE go where its 180 said, else to the subscriber', async () => {
  push.reply(push.invite, '180 Ringing', { headers: [`Contact: ${push.contact}`] });
  await push.event('InviteProgressed');
  push.reply(push.invite, '200 OK', { sdp: clientSdp() });
  const target = /<([^>]*)>/.exec(push.contact)?.[1];
  expect((await push.next()).split(' ')[1]).toBe(target);
  push.reply(push.invite, '200 OK', { sdp: clientSdp(), tag: 'fork' });
  const fork = [await push.next(), await push.next()];
  expect(fork.map((text) => text.split(' ').slice(0, 2).join(' '))).toEqual([
    'ACK sip:alice@example.org',
    'BYE sip:alice@example.org',
  ]);
});

test('a fork answers after the refusal of another → ACK, BYE, and the end stands [RFC 3261 §13.2.2.4]', async () => {
  push.reply(push.invite, '486 Busy Here');
  await push.next();
  const fate = await push.fate();
  const headers = [`Contact: ${push.contact}`];
  push.reply(push.invite, '200 OK', { headers, sdp: clientSdp(), tag: 'late' });
  const both = [await push.next(), await push.next()];
  expect(both.map((text) => text.split(' ')[0])).toEqual(['ACK', 'BYE']);
  push.reply(both[1] ?? '', '200 OK');
  expect(await push.fate()).toEqual(fate);
});

test('more forks answer than anybody has devices → so many are ended, and no more', async () => {
  await push.accept();
  for (let fork = 0; fork < 40; fork += 1) {
    push.reply(push.invite, '200 OK', { headers: [`Contact: ${push.contact}`], tag: `f${fork}` });
  }
  const heard = await push.heard();
  expect(heard.filter((one) => one.startsWith('BYE'))).toHaveLength(31);
  await push.pass(32_000);
  push.reply(push.invite, '200 OK', { headers: [`Contact: ${push.contact}`], tag: 'late' });
  expect(await push.heard()).toContain('ACK 1 to late');
});

test('the first INVITE was challenged by 422, a fork of it answers → ACK with its CSeq, BYE', async () => {
  const first = push.invite;
  push.reply(first, '422 Session Interval Too Small', { headers: ['Min-SE: 3600'] });
  await push.next();
  await push.invited();
  push.reply(first, '200 OK', { headers: [`Contact: ${push.contact}`], tag: 'late' });
  const both = [await push.next(), await push.next()];
  expect(both.map((text) => headerOf(text, 'CSeq'))).toEqual(['1 ACK', '2 BYE']);
  push.reply(both[1] ?? '', '200 OK');
  expect(headerOf(await push.accept(), 'CSeq')).toBe('2 ACK');
});

/** A proxy that is the client itself. */
function loose(): string {
  return `<sip:p@${/@([^;>]*)/.exec(push.contact)?.[1]};lr>`;
}
