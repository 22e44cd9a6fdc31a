/**
 * The header fields of every response that this server originates: of each method, when it is taken
 * and when it is refused. What holds of all is checked on all (RFC 3261 tables 2 and 3, A-07).
 */
import { afterEach, describe, expect, test } from 'vitest';
import { clients } from '../controls/digest-client.ts';
import { clientSdp, type Headers, type PushStage, pushStage } from '../controls/push-stage.ts';
import { headerOf } from '../controls/scripted-peer-flow.ts';
import {
  ALICE,
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../controls/sip-agent-stage.ts';

let push: PushStage;

interface Row {
  readonly title: string;
  readonly status: number;
  /** The request, once the push stands. */
  request(): string;
  /** Fields that this response must have beside those of all. */
  readonly has?: Readonly<Record<string, RegExp>>;
  before?(): Promise<void>;
}

const ALLOWED = /^INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE/;
const OURS = /;\+g\.oma\.sip-im;automata$/;
const timer = (value: string): Headers => ({ 'Session-Expires': value, Supported: 'timer' });
const foreign = { To: `<${ALICE}>;tag=nobody` };

const OUTSIDE: readonly Row[] = [
  {
    title: 'OPTIONS → 200 [RFC 3261 §11.2]',
    status: 200,
    request: () => sipRequest('OPTIONS', 'o1'),
    has: {
      ...{ Allow: ALLOWED, Accept: /sdp/, Supported: /timer/ },
      ...{ 'Accept-Encoding': /identity/, 'Accept-Language': /\*/ },
    },
  },
  {
    title: 'OPTIONS that cannot be read → 400 [RFC 3261 §21.4.1]',
    status: 400,
    request: () => sipRequest('OPTIONS', 'o2', { CSeq: 'one OPTIONS' }),
  },
  {
    title: 'OPTIONS for a scheme that is not ours → 416 [RFC 3261 §8.2.2.1]',
    status: 416,
    request: () => sipRequest('OPTIONS', 'o3', {}, { uri: 'http://example.org' }),
  },
  {
    title: 'OPTIONS with an extension that we lack → 420, Unsupported [RFC 3261 §8.2.2.3]',
    status: 420,
    request: () => sipRequest('OPTIONS', 'o4', { Require: 'foo, timer' }),
    has: { Unsupported: /^foo$/ },
  },
  {
    title: 'OPTIONS in a dialog that nobody knows → 481 [RFC 3261 §12.2.2]',
    status: 481,
    request: () => sipRequest('OPTIONS', 'o5', foreign),
  },
  {
    title: 'MESSAGE → 202 [RFC 3428 §7]',
    status: 202,
    request: () => sipRequest('MESSAGE', 'm2', {}, { body: 'hi' }),
  },
  {
    title: 'MESSAGE for nobody here → 404 [RFC 3261 §21.4.5]',
    status: 404,
    request: () => sipRequest('MESSAGE', 'm3', {}, { uri: 'sip:example.org' }),
  },
  {
    title: 'MESSAGE that is over already → 480 [RFC 3428 §7]',
    status: 480,
    request: () => sipRequest('MESSAGE', 'm4', { Expires: '0' }, { body: 'hi' }),
  },
  {
    title: 'MESSAGE in a dialog that nobody knows → 481 [RFC 3261 §12.2.2]',
    status: 481,
    request: () => sipRequest('MESSAGE', 'm5', foreign),
  },
  {
    title: 'MESSAGE while it drains → 503, Retry-After [RFC 3261 §21.5.4]',
    status: 503,
    request: () => sipRequest('MESSAGE', 'm6'),
    has: { 'Retry-After': /^\d+$/ },
    before: async () => push.stage.drain(),
  },
  {
    title: 'REGISTER → 200, all contacts [RFC 3261 §10.3]',
    status: 200,
    request: () => register('r9', { 'Call-ID': 'reg9', Contact: '<sip:a@127.0.0.1:9>' }),
    has: { Contact: /expires=3600/ },
  },
  {
    title: 'REGISTER of * without Expires: 0 → 400 [RFC 3261 §10.2.2]',
    status: 400,
    request: () => register('r10', { 'Call-ID': 'reg10', Contact: '*' }),
  },
  {
    title: 'REGISTER for half a minute → 423, Min-Expires [RFC 3261 §10.3]',
    status: 423,
    request: () =>
      register('r11', { 'Call-ID': 'reg11', Contact: '<sip:a@127.0.0.1:9>', Expires: '30' }),
    has: { 'Min-Expires': /^60$/ },
  },
  {
    title: 'INVITE for nobody here → 404 [RFC 3261 §21.4.5]',
    status: 404,
    request: () => sipRequest('INVITE', 'i1', {}, { uri: 'sip:example.org' }),
  },
  {
    title: 'INVITE with a body of another type → 415, Accept [RFC 3261 §8.2.3]',
    status: 415,
    request: () => sipRequest('INVITE', 'i2', { 'Content-Type': 'text/plain' }, { body: 'hi' }),
    has: { Accept: /^application\/sdp$/ },
  },
  {
    title: 'INVITE that is not Large Message mode → 480 or 488 [IM-11.3.2.2-1]',
    status: 488,
    request: () => sipRequest('INVITE', 'i3'),
  },
  {
    title: 'INVITE in a dialog that nobody knows → 481 [RFC 3261 §12.2.2]',
    status: 481,
    request: () => sipRequest('INVITE', 'i4', foreign),
  },
  {
    title: 'CANCEL of nothing → 481 [RFC 3261 §9.2]',
    status: 481,
    request: () => sipRequest('CANCEL', 'c1'),
  },
  {
    title: 'BYE of no dialog → 481 [RFC 3261 §15.1.2]',
    status: 481,
    request: () => sipRequest('BYE', 'b1'),
  },
  {
    title: 'UPDATE of no dialog → 481 [RFC 3261 §12.2.2]',
    status: 481,
    request: () => sipRequest('UPDATE', 'u1'),
  },
  ...['INFO', 'SUBSCRIBE', 'PUBLISH', 'REFER', 'PRACK', 'NOTIFY', 'FOO'].map((method) => ({
    title: `${method} → 405, Allow [RFC 3261 §8.2.1]`,
    status: 405,
    request: () => sipRequest(method, method),
    has: { Allow: ALLOWED },
  })),
];

const WITHIN: readonly Row[] = [
  {
    title: 'BYE in the dialog → 200 [RFC 3261 §15.1.2]',
    status: 200,
    request: () => push.within('BYE', 1),
  },
  {
    title: 'OPTIONS in the dialog → 200 [RFC 3261 §11.2]',
    status: 200,
    request: () => push.within('OPTIONS', 1),
    has: { Allow: ALLOWED, Accept: /sdp/, Supported: /timer/ },
  },
  {
    title: 'MESSAGE in the dialog → 405, Allow [RFC 3261 §8.2.1]',
    status: 405,
    request: () => push.within('MESSAGE', 1),
    has: { Allow: /UPDATE$/ },
  },
  {
    title: 're-INVITE → 200, Contact, session timer [RFC 3261 §14.2, RFC 4028 §9]',
    status: 200,
    request: () => push.within('INVITE', 1, timer('600'), clientSdp()),
    has: {
      ...{ Contact: OURS, Allow: ALLOWED, Supported: /timer/, Require: /^timer$/ },
      ...{ 'Session-Expires': /^600;refresher=uac$/, 'Content-Type': /^application\/sdp$/ },
    },
  },
  {
    title: 're-INVITE that ends the media → 488, Warning [RFC 3261 §14.2]',
    status: 488,
    request: () => push.within('INVITE', 1, {}, clientSdp({ port: 'm=message 0 TCP/MSRP *' })),
    has: { Warning: /^399 im-store "/ },
  },
  {
    title: 're-INVITE of 30 s → 422, Min-SE [RFC 4028 §9]',
    status: 422,
    request: () => push.within('INVITE', 1, timer('30'), clientSdp()),
    has: { 'Min-SE': /^90$/ },
  },
  {
    title: 'UPDATE → 200, Contact, session timer [RFC 3311 §5.2, RFC 4028 §9]',
    status: 200,
    request: () => push.within('UPDATE', 1, timer('600;refresher=uas')),
    has: { Contact: OURS, Allow: ALLOWED, Supported: /timer/, 'Session-Expires': /=uas$/ },
  },
  {
    title: 'UPDATE with a body of another type → 415, Accept [RFC 3261 §8.2.3]',
    status: 415,
    request: () => push.within('UPDATE', 1, { 'Content-Type': 'text/plain' }, 'hi'),
    has: { Accept: /^application\/sdp$/ },
  },
  {
    title: 'UPDATE while an offer of ours is open → 491 [RFC 3311 §5.2]',
    status: 491,
    request: () => push.within('UPDATE', 2, {}, clientSdp()),
    before: async () => void (await push.ask(push.within('INVITE', 1))),
  },
  {
    title: 'UPDATE that comes late → 500 [RFC 3261 §12.2.2]',
    status: 500,
    request: () => push.within('UPDATE', 4),
    before: async () => void (await push.ask(push.within('UPDATE', 5))),
  },
];

/** Methods whose 2xx may have a Contact (RFC 3261 table 2, RFC 3311 table 1). */
const CONTACT_IN_2XX = ['INVITE', 'UPDATE', 'REGISTER', 'OPTIONS'];
const SIP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;

/** What holds of all responses from 101 on. */
function expectWhatAllHave(answer: string, request: string): void {
  const [method = ''] = request.split(' ');
  const status = Number(answer.split(' ')[1]);
  expect(headerOf(answer, 'Server')).toMatch(/^IM-serv\/OMA1\.0 /);
  expect(headerOf(answer, 'Date')).toMatch(SIP_DATE);
  expect(headerOf(answer, 'Content-Length')).toBe(
    String(answer.length - answer.indexOf('\r\n\r\n') - 4),
  );
  for (const name of ['From', 'Call-ID', 'CSeq']) {
    expect(headerOf(answer, name)).toBe(headerOf(request, name));
  }
  expect(headerOf(answer, 'To')).toMatch(/;tag=\S+$/);
  expect(headerOf(answer, 'Via')).toContain(';received=127.0.0.1');
  const asserts = method === 'INVITE' || method === 'MESSAGE';
  expect(headerOf(answer, 'P-Asserted-Identity')).toBe(asserts ? '<sip:im-store@example.org>' : '');
  const mayHaveContact = status < 300 && CONTACT_IN_2XX.includes(method);
  if (!mayHaveContact) expect(headerOf(answer, 'Contact')).toBe('');
  if (method === 'MESSAGE') expect(answer).toMatch(/\r\n\r\n$/);
}

function expectRow({ status, has = {} }: Row, answer: string, request: string): void {
  expect(Number(answer.split(' ')[1])).toBe(status);
  expectWhatAllHave(answer, request);
  for (const [name, value] of Object.entries(has)) expect(headerOf(answer, name)).toMatch(value);
}

describe('a trusted peer', () => {
  afterEach(() => push.close());
  for (const row of OUTSIDE) {
    test(row.title, async () => {
      push = await pushStage('udp');
      await row.before?.();
      const request = row.request();
      expectRow(row, await push.ask(request), request);
    });
  }

  for (const row of WITHIN) {
    test(row.title, async () => {
      push = await pushStage('udp');
      await push.accept();
      await push.bind();
      await row.before?.();
      const request = row.request();
      expectRow(row, await push.ask(request), request);
    });
  }

  test('re-INVITE that is cancelled → 100, 200 to the CANCEL, 487 with one To-tag [RFC 3261 §9.2]', async () => {
    push = await pushStage('udp');
    await push.accept();
    await push.bind();
    push.stage.slowAppends(5_000);
    const invite = push.within('INVITE', 1);
    push.send(invite);
    await push.pass(200);
    const trying = await push.next();
    expect(trying).toMatch(/^SIP\/2\.0 100 /);
    expect(headerOf(trying, 'Contact')).toBe('');
    const cancel = push.within('CANCEL', 1, { Via: headerOf(invite, 'Via') });
    const answers = [await push.ask(cancel), await push.next()];
    expect(answers.map((answer) => answer.slice(8, 11))).toEqual(['200', '487']);
    expectWhatAllHave(answers[0] ?? '', cancel);
    expectWhatAllHave(answers[1] ?? '', invite);
    push.stage.slowAppends(0);
    await push.pass(60_000);
  });
});

describe('a stranger', () => {
  let stage: SipAgentStage;
  afterEach(() => stage.close());

  test.each([
    ['403 [RFC 3325 §5]', 403, {}, ''],
    [
      '401 where clients have passwords, WWW-Authenticate [RFC 3261 §22.2]',
      401,
      { clients: clients() },
      'Digest',
    ],
  ])('%s', async (_, status, access, challenge) => {
    stage = await sipAgentStage({ trusted: () => false, access });
    const line = await stage.peer.connect(stage.tcp);
    const request = sipRequest('OPTIONS', 's1', {
      Via: 'SIP/2.0/TCP 127.0.0.1:9;rport;branch=z9hG4bKs',
    });
    line.send(request);
    const answer = String(await line.next());
    expectRow({ title: '', status, request: () => request }, answer, request);
    expect(headerOf(answer, 'WWW-Authenticate').split(' ')[0]).toBe(challenge);
  });
});
