/** How the INVITE of a sender is judged and answered: each row of the table in docs/msrp.md. */
import { afterEach, describe, expect, it } from 'vitest';
import type { LargeSettings } from '../../../src/adapters/sip/deposit/deposit-context.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type SipAgentStage, sipAgentStage, sipRequest } from '../../controls/sip-agent-stage.ts';

const TAGGED = '<sip:bob@127.0.0.1:9>;+g.oma.sip-im.large-message';
const PLAIN = '<sip:bob@127.0.0.1:9>';
const CPM = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg';

interface Offer {
  readonly direction?: string;
  readonly port?: number;
  readonly protocol?: string;
  readonly setup?: string;
  readonly more?: readonly string[];
}

function sdp(offer: Offer = {}): string {
  const { direction = 'sendonly', port = 7394, protocol = 'TCP/MSRP', setup = 'active' } = offer;
  const scheme = protocol === 'TCP/MSRP' ? 'msrp' : 'msrps';
  return [
    ...['v=0', 'o=bob 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...[`m=message ${port} ${protocol} *`, `a=${direction}`, 'a=accept-types:*'],
    ...[`a=path:${scheme}://127.0.0.1:7394/senderssession;tcp`, `a=setup:${setup}`],
    ...(offer.more ?? []),
    '',
  ].join('\r\n');
}

let stage: SipAgentStage;
afterEach(() => stage.close());

interface Case {
  readonly headers?: Readonly<Record<string, string>>;
  readonly offer?: Offer;
  readonly body?: string;
}

function inviteOf(branch: string, { headers, offer, body = sdp(offer) }: Case): string {
  const type = body === '' ? {} : { 'Content-Type': 'application/sdp' };
  return sipRequest('INVITE', branch, { Contact: TAGGED, ...type, ...headers }, { body });
}

const open = async (large: Partial<LargeSettings> = {}) => {
  stage = await sipAgentStage({ large });
  return stage.peer.datagrams(stage.udp);
};
const ackOf = (invite: string, answer: string, body = '') =>
  sipRequest(
    'ACK',
    `${headerOf(invite, 'Call-ID').slice(0, 4)}ack`,
    {
      To: headerOf(answer, 'To'),
      'Call-ID': headerOf(invite, 'Call-ID'),
      ...(body === '' ? {} : { 'Content-Type': 'application/sdp' }),
    },
    { body },
  );

/** The answer, and what the log says of the session when it left. */
async function judged(the: Case, large: Partial<LargeSettings> = {}) {
  await open(large);
  // Over a connection: the longest is too long for a datagram.
  const line = await stage.peer.connect(stage.tcp);
  const via = 'SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bKinv1';
  const invite = inviteOf('inv1', { ...the, headers: { Via: via, ...the.headers } });
  line.send(invite);
  const answer = await finalTo(line);
  const [event] = await stage.events();
  line.send(ackOf(invite, answer));
  const { status, reason } = (event?.data ?? {}) as { status?: number; reason?: string };
  const said = Number(answer.split(' ')[1]);
  return { answer, status: said, event: event?.type, logged: status, reason };
}

async function finalTo(line: Line): Promise<string> {
  for (;;) {
    const answer = String(await line.next());
    if (!answer.startsWith('SIP/2.0 100')) return answer;
  }
}

describe('is refused, with the reason in the log before the answer [IM-11.3.2.2-1]', () => {
  it.each([
    ['longer than 64 KiB', 513, { offer: { more: [`a=x:${'x'.repeat(66_000)}`] } }],
    ['a body of another type', 415, { headers: { 'Content-Type': 'text/plain' } }],
    ['a body that is coded', 415, { headers: { 'Content-Encoding': 'gzip' } }],
    ['no m-line of MSRP', 488, { body: 'v=0\r\nm=audio 9 RTP/AVP 0\r\n' }],
    ['a port of 0', 488, { offer: { port: 0 } }],
    ['nothing would come: recvonly', 488, { offer: { direction: 'recvonly' } }],
    ['nothing would come: inactive', 488, { offer: { direction: 'inactive' } }],
    ['MSRP over TLS where it is not listened for', 488, { offer: { protocol: 'TCP/TLS/MSRP' } }],
    ['a chat', 480, { headers: { Contact: PLAIN }, offer: { direction: 'sendrecv' } }],
    ['a conference', 480, { headers: { Contact: `${PLAIN};isfocus` } }],
    [
      'a file transfer (RFC 5547)',
      480,
      {
        headers: { Contact: PLAIN },
        offer: { more: ['a=file-selector:name:"x.jpg" size:10', 'a=file-transfer-id:abc'] },
      },
    ],
    [
      'a Contact that no SIP goes to',
      400,
      {
        headers: {
          Contact: '<mailto:bob@example.org>',
          'Accept-Contact': '*;+g.oma.sip-im.large-message',
        },
      },
    ],
    [
      'no Contact',
      400,
      { headers: { Contact: '', 'Accept-Contact': '*;+g.oma.sip-im.large-message' } },
    ],
    ['an interval below 90 s', 422, { headers: { 'Session-Expires': '60', Supported: 'timer' } }],
  ] as const)('%s → %i', async (_, status, the) => {
    const seen = await judged(the);
    expect(seen).toMatchObject({ status, event: 'DepositRefused', logged: status });
    expect(seen.reason).toMatch(/\w/);
    const says = {
      415: ['Accept', 'Accept-Encoding'],
      422: ['Min-SE'],
      488: ['Warning'],
    } as const;
    const names = status in says ? says[status as keyof typeof says] : [];
    const [header] = names.map((name) => headerOf(seen.answer, name)).filter((text) => text !== '');
    expect(header !== undefined).toBe(names.length > 0);
  });

  it('what is not tagged, when `large-untagged` is off → 480 [A-02]', async () => {
    const seen = await judged({ headers: { Contact: PLAIN } }, { acceptUntagged: false });
    expect(seen).toMatchObject({ status: 480, event: 'DepositRefused' });
  });

  it('without an offer, when `large-late-offer` is off → 488 [A-02]', async () => {
    const seen = await judged({ body: '' }, { lateOffer: false });
    expect(seen).toMatchObject({ status: 488, event: 'DepositRefused' });
  });

  it('when there is no room on the disk → 480', async () => {
    const line = await open();
    stage.senders.fill();
    line.send(inviteOf('inv1', {}));
    expect(String(await line.next())).toMatch(/^SIP\/2\.0 480 /);
    const [event] = await stage.events();
    expect(event).toMatchObject({ type: 'DepositRefused', data: { reason: 'no room' } });
  });
});

describe('is taken [IM-11.3.2.2-3]', () => {
  it.each([
    ['the tag in Contact', 2, {}],
    ['the tag in Contact, though it goes both ways', 2, { offer: { direction: 'sendrecv' } }],
    [
      'the tag in Accept-Contact',
      2,
      { headers: { Contact: PLAIN, 'Accept-Contact': '*;+g.oma.sip-im.large-message;require' } },
    ],
    [
      'the service in P-Asserted-Service',
      2,
      { headers: { Contact: PLAIN, 'P-Asserted-Service': CPM } },
    ],
    ['one way and without the tag', 3, { headers: { Contact: PLAIN } }],
  ] as const)('%s, by rule %i', async (_, rule, the) => {
    const seen = await judged(the);
    expect(seen).toMatchObject({ status: 200, event: 'DepositOffered' });
    expect((await stage.events())[0]?.data).toMatchObject({
      rule,
      account: 'sip:alice@example.org',
    });
  });

  it.each([
    ['active', 'passive'],
    ['actpass', 'passive'],
    ['passive', 'active'],
  ] as const)('a=setup:%s → %s [RFC 6135 §4]', async (setup, ours) => {
    const { answer } = await judged({ offer: { setup } });
    expect(answer).toMatch(/^a=recvonly\r$/m);
    expect(answer).toContain(`\r\na=setup:${ours}\r\n`);
    expect(answer).toMatch(/^a=max-size:10485760\r$/m);
  });

  it('a session timer that the sender refreshes is granted, no other [A-49]', async () => {
    const timer = { Supported: 'timer', 'Session-Expires': '1800;refresher=uac' };
    const { answer } = await judged({ headers: timer });
    expect(headerOf(answer, 'Session-Expires')).toBe('1800;refresher=uac');
    expect(headerOf(answer, 'Require')).toBe('timer');
  });
});
