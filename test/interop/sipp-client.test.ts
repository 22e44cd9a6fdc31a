/** SIPp plays the client: what it answers to a push, and what becomes of the message then. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverBuild } from '../controls/defects.ts';
import { freePort } from '../controls/server.ts';
import { sippAvailable } from '../controls/sipp-scenarios.ts';
import { type SippStage, sippStage } from './sipp-stage.ts';

const run = promisify(execFile);
const REFUSING = {
  scenario: 'refuse-push',
  transport: 'udp',
  calls: 1,
  keys: { more: 'Server: SIPp' },
} as const;

describe.skipIf(!sippAvailable())('SIPp as the client', () => {
  let stage: SippStage;
  beforeAll(async () => {
    stage = await sippStage();
  });
  afterAll(() => stage?.close());
  const ended = (user: string, count = 1) => stage.logged('DeliveryEnded', { user, count });

  // who is away or says no is left alone until the next registration, and so is a client that
  // cannot; all else is tried again by time. A 3xx is not followed.
  it.each([
    { answer: '302 Moved Temporarily', more: 'Contact: <sip:x@127.0.0.1:9>', again: 'by time' },
    { answer: '404 Not Found', again: 'when registered' },
    { answer: '408 Request Timeout', again: 'when registered' },
    { answer: '415 Unsupported Media Type', more: 'Accept: text/plain', again: 'when registered' },
    { answer: '480 Temporarily Unavailable', again: 'when registered' },
    { answer: '486 Busy Here', again: 'when registered', transport: 'tcp' },
    { answer: '487 Request Terminated', again: 'when registered' },
    { answer: '488 Not Acceptable Here', again: 'when registered' },
    { answer: '491 Request Pending', again: 'by time' },
    { answer: '500 Server Internal Error', again: 'by time', transport: 'tcp' },
    { answer: '503 Service Unavailable', more: 'Retry-After: 120 (tea)', again: 'after 120000' },
    { answer: '603 Decline', again: 'when registered' },
    { answer: '606 Not Acceptable', again: 'when registered' },
  ] as const)('$answer: the message stays, and is pushed again $again', async (row) => {
    const { answer, again } = row;
    const transport = 'transport' in row ? row.transport : 'udp';
    const more = 'more' in row ? row.more : 'Server: SIPp';
    const user = `refuses-${answer.slice(0, 3)}`;
    const refusing = await stage.client({
      scenario: 'refuse-push',
      transport,
      calls: 1,
      keys: { more },
      replace: { '480 Temporarily Unavailable': answer },
    });
    await stage.pushTo(user, refusing);
    expect(await refusing.ended()).toBe('');
    const { data, meta } = await ended(user);
    const { retryAfterMs, ...rest } = data as { readonly retryAfterMs?: number };
    expect(rest).toMatchObject({ cause: 'refused', status: Number(answer.slice(0, 3)) });
    const timed = retryAfterMs === undefined ? 'by time' : `after ${retryAfterMs}`;
    expect(meta.timers?.retry ? timed : 'when registered').toBe(again);
  });

  it('who said busy is asked again when he registers again, whatever he said', async () => {
    const busy = await stage.client({ ...REFUSING, calls: 2 });
    await stage.pushTo('busy', busy);
    await ended('busy');
    expect(await stage.register('busy', busy, 'again')).toBe(200);
    expect(await busy.ended()).toBe('');
    await ended('busy', 2);
  });

  it('500 with Retry-After: 1: a second later the server asks again by itself', async () => {
    const keys = { more: 'Retry-After: 1' };
    const replace = { '480 Temporarily Unavailable': '500 Server Internal Error' };
    const failing = await stage.client({ ...REFUSING, calls: 2, keys, replace });
    await stage.pushTo('fails-twice', failing);
    expect(await failing.ended()).toBe('');
  });

  it('422: a second INVITE with the Min-SE that was asked for [RFC 4028 §7.4]', async () => {
    const asking = await stage.client({
      scenario: 'ask-longer-interval',
      transport: 'udp',
      calls: 1,
    });
    await stage.pushTo('slow', asking);
    expect(await asking.ended()).toBe('');
    expect((await ended('slow')).data).toMatchObject({ cause: 'refused', status: 486 });
  });

  it.each(['udp', 'tcp'] as const)('200 over %s: pushed, acknowledged, BYE', async (transport) => {
    const keys = await stage.media(true);
    const taking = await stage.client({ scenario: 'take-push', transport, calls: 1, keys });
    await stage.pushTo(`takes-${transport}`, taking);
    expect(await taking.ended()).toBe('');
    const { data } = await ended(`takes-${transport}`);
    expect(data).toMatchObject({ cause: 'completed', acknowledged: 1, failed: 0 });
  });

  it('200 without a line for MSRP: ACK, BYE, and the message stays [A-34]', async () => {
    const keys = { media: 'audio 9 RTP/AVP 0', msrp_port: '9' };
    const talking = await stage.client({ scenario: 'take-push', transport: 'udp', calls: 1, keys });
    await stage.pushTo('talks', talking);
    expect(await talking.ended()).toBe('');
    expect((await ended('talks')).data).toMatchObject({ acknowledged: 0 });
  });

  it('200 and an MSRP port where nobody is: BYE, and the message stays', async () => {
    const port = await freePort();
    const keys = { media: `message ${port} TCP/MSRP *`, msrp_port: String(port) };
    const deaf = await stage.client({ scenario: 'take-push', transport: 'udp', calls: 1, keys });
    await stage.pushTo('deaf', deaf);
    expect(await deaf.ended()).toBe('');
    const { data, meta } = await ended('deaf');
    expect(data).toMatchObject({ cause: 'channelLost', acknowledged: 0 });
    expect(meta.timers?.retry).toBeDefined();
  });

  it('BYE before anything was acknowledged: 200, and the message stays [A-31]', async () => {
    const keys = await stage.media(false);
    const leaving = await stage.client({
      scenario: 'leave-push',
      transport: 'udp',
      calls: 1,
      keys,
    });
    await stage.pushTo('leaves', leaving);
    expect(await leaving.ended()).toBe('');
    expect((await ended('leaves')).data).toMatchObject({ cause: 'peerBye', acknowledged: 0 });
  });

  it('the command line says who waits for what', async () => {
    const words = ['mailbox', 'list', '--json', '--limit', '1000', '--data', stage.server.data];
    const { stdout } = await run(process.execPath, [await serverBuild(), ...words]);
    const rows = stdout.trim().split('\n');
    const waiting = new Map(rows.map((row) => [JSON.parse(row).account, JSON.parse(row).waiting]));
    expect(waiting.get('sip:refuses-603@example.org')).toBe(1);
    expect(waiting.get('sip:leaves@example.org')).toBe(1);
    expect(waiting.get('sip:takes-udp@example.org') ?? 0).toBe(0);
  });
});
