/** What each request that a push sends says of us, header by header (IM-11.3.2.3, A-07). */
import { beforeAll, describe, expect, test } from 'vitest';
import { clientSdp, type PushStage, pushStage } from '../../controls/push-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

type Name = 'INVITE' | 'CANCEL' | 'PRACK' | 'ACK' | 'UPDATE' | 're-INVITE' | 'BYE';

const PRODUCT = 'IM-serv/OMA1.0 restante/test';
const STORE = '<sip:im-store@example.org>';
const METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE';
const FEATURES = /^<sip:im-store@127\.0\.0\.1:\d+;transport=udp>;\+g\.oma\.sip-im;automata$/;
const ALL: readonly Name[] = ['INVITE', 'CANCEL', 'PRACK', 'ACK', 'UPDATE', 're-INVITE', 'BYE'];
const INITIAL: readonly Name[] = ['INVITE'];
const TARGETS: readonly Name[] = ['INVITE', 'UPDATE', 're-INVITE'];
const TIMER = ['Session-Expires: 1800;refresher=uac', 'Require: timer'];

/** Which requests have the header, and what it says there; all others have none. */
const ROWS: readonly (readonly [string, readonly Name[], string | RegExp, string])[] = [
  ['Max-Forwards', ALL, '70', 'RFC 3261 §8.1.1.6'],
  ['Contact', TARGETS, FEATURES, 'IM-11.3.2.3-9, IM-11.3.2.3-10, A-07, RFC 3311 §5.1'],
  ['Accept-Contact', INITIAL, '*;+g.oma.sip-im;require;explicit', 'IM-11.3.2.3-6'],
  ['P-Asserted-Identity', TARGETS, STORE, 'IM-11.3.2.3-20, RFC 3325 §9.1'],
  ['User-Agent', [...TARGETS, 'PRACK', 'BYE'], PRODUCT, 'IM-11.3.2.3-7, A-42'],
  ['Allow', TARGETS, METHODS, 'IM-11.3.2.3-8'],
  ['Supported', TARGETS, 'timer', 'RFC 4028 §7.1, §7.4'],
  ['Session-Expires', TARGETS, /^1[68]00;refresher=uac$/, 'IM-11.3.2.3-11, RFC 4028 §7.4'],
  ['Min-SE', [], '', 'RFC 4028 §7.4: only after a 422'],
  ['Require', [], '', 'RFC 3261 §9.1, §20.32: we need nothing'],
  ['Date', INITIAL, /GMT$/, 'RFC 3261 §20.17'],
  ['RAck', ['PRACK'], '7 1 INVITE', 'RFC 3262 §7.2'],
  ['Content-Type', ['INVITE', 're-INVITE'], 'application/sdp', 'IM-11.3.2.3-12, RFC 4028 §7.4'],
  ['Authorization', [], '', 'RFC 3261 §22: nobody asked'],
];

const sent = new Map<Name, string>();

async function staged(play: (push: PushStage) => Promise<void>): Promise<void> {
  const push = await pushStage('udp');
  await play(push).finally(push.close);
}

/** Answered and refreshed, by the method that its Allow leaves. */
async function refreshed(push: PushStage, name: Name, allow: string): Promise<void> {
  sent.set('INVITE', push.invite);
  sent.set('ACK', await push.accept({ headers: [`Allow: ${allow}`, ...TIMER] }));
  // Half of 1800 s is also when every push ends: the client shortens it.
  push.send(push.within('UPDATE', 1, { 'Session-Expires': '1600;refresher=uas' }));
  await push.next();
  await push.event('SessionRefreshed');
  await push.pass(800_000);
  const refresh = await push.next();
  sent.set(name, refresh);
  push.reply(refresh, '481 Call/Transaction Does Not Exist');
  const [first, second] = [await push.next(), name === 'UPDATE' ? '' : await push.next()];
  sent.set('BYE', first.startsWith('BYE') ? first : second);
}

beforeAll(async () => {
  await staged(async (push) => {
    const reliable = [`Contact: ${push.contact}`, 'Require: 100rel', 'RSeq: 7'];
    push.reply(push.invite, '180 Ringing', { headers: reliable });
    sent.set('PRACK', await push.next());
    push.reply(sent.get('PRACK') ?? '', '200 OK');
    await push.pass(120_000);
    sent.set('CANCEL', await push.next());
  });
  await staged((push) => refreshed(push, 'UPDATE', 'INVITE, UPDATE'));
  await staged((push) => refreshed(push, 're-INVITE', 'INVITE'));
});

describe.each(ROWS)('%s', (header, requests, value, clauses) => {
  test.each(ALL)(`in %s: ${clauses}`, (request) => {
    const text = sent.get(request) ?? '';
    expect(text).toMatch(new RegExp(`^${request.replace('re-', '')} `));
    const found = headerOf(text, header);
    if (!requests.includes(request)) expect(found).toBe('');
    else if (typeof value === 'string') expect(found).toBe(value);
    else expect(found).toMatch(value);
  });
});

test('after a 422 each refresh carries the interval that was asked for [RFC 4028 §7.4]', async () => {
  await staged(async (push) => {
    push.reply(push.invite, '422 Session Interval Too Small', { headers: ['Min-SE: 1700'] });
    await push.next();
    await push.invited();
    await push.accept({ headers: ['Session-Expires: 1700;refresher=uac'], sdp: clientSdp() });
    await push.pass(850_000);
    const refresh = await push.next();
    expect([headerOf(refresh, 'Min-SE'), headerOf(refresh, 'Session-Expires')]).toEqual([
      '1700',
      '1700;refresher=uac',
    ]);
  });
});
