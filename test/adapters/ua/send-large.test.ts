import { describe, expect, it } from 'vitest';
import { type SendLargeOptions, sendLarge } from '../../../src/adapters/ua/send-large.ts';
import type { SipMessage } from '../../../src/wire/sip/message.ts';
import { attribute, type LargeServer, largeServer } from './large-server.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const plain = (body: string) => ({
  content: utf8(body),
  contentType: 'text/plain;charset=UTF-8',
});
/** Longer than what is sent in one piece (RFC 4975 §7.1.1). */
const LONG = 'Item: the store keeps every octet that was received.\r\n'.repeat(60);
const people = { from: 'bob', to: 'sip:alice@example.org', domain: 'example.com' };

function sendTo(server: LargeServer, options: Partial<SendLargeOptions> = {}) {
  const sessions = [[plain(LONG)]];
  return sendLarge({ server: server.address, ...people, sessions, ...options });
}

/** What makes an ACK the same; its Via may be another. */
const identityOf = (ack: SipMessage) =>
  ['to', 'from', 'call-id', 'cseq', 'route'].map((name) => ack.first(name));

const startOf = ({ start }: SipMessage) => (start.kind === 'request' ? start.uri : start.status);

describe.each(['udp', 'tcp'] as const)('sendLarge over %s', (transport) => {
  it('invites, connects, sends in chunks and says BYE', async () => {
    const server = await largeServer(transport);
    const sending = sendTo(server, { chunkBytes: 1500 });
    const { invite, ack, msrp } = await server.established();
    expect(startOf(ack)).toBe(server.contact);
    expect(ack.first('to')).toMatch(/;tag=im-e240$/);
    expect(ack.first('cseq')).toBe('1 ACK');
    const chunks = [await msrp.send(), await msrp.send(), await msrp.send()];
    expect(chunks.map(({ body }) => body).join('')).toBe(LONG);
    expect(chunks.map(({ flag }) => flag)).toEqual(['+', '+', '$']);
    expect(chunks.map(({ headers }) => headers['Byte-Range'])).toEqual([
      '1-*/3240',
      '1501-*/3240',
      '3001-*/3240',
    ]);
    const [first] = chunks;
    expect(first?.headers).toMatchObject({
      'To-Path': server.path,
      'From-Path': attribute(invite, 'path'),
      'Content-Type': 'text/plain;charset=UTF-8',
    });
    for (const chunk of chunks) msrp.answer(chunk, 200);
    const bye = await server.hangUp();
    expect(startOf(bye)).toBe(server.contact);
    expect(bye.first('cseq')).toBe('2 BYE');
    expect(bye.first('from')).toBe(invite.first('from'));
    const { sessions } = await sending;
    expect(sessions).toMatchObject([
      {
        callId: invite.first('call-id'),
        invite: { status: 200, reason: 'Said the store' },
        messages: [{ messageId: first?.headers['Message-ID'], outcome: 'acknowledged' }],
        bye: { status: 200 },
      },
    ]);
    expect(await msrp.next()).toBe('closed');
    server.close();
  });

  it.each([480, 488])('reports the refusal of the INVITE: %i', async (status) => {
    const server = await largeServer(transport);
    const sending = sendTo(server);
    const invite = await server.request('INVITE');
    server.answer(invite, { status });
    await server.request('ACK');
    const { sessions } = await sending;
    expect(sessions).toMatchObject([
      { invite: { status }, messages: [{ outcome: 'sessionLost', sent: false }] },
    ]);
    expect(sessions[0]?.bye).toBeUndefined();
    server.close();
  });

  it('answers the BYE of the server, and says none', async () => {
    const server = await largeServer(transport);
    const sending = sendTo(server, { chunkBytes: 1500 });
    const { invite, msrp } = await server.established();
    await msrp.send();
    server.say('BYE', invite);
    expect(startOf(await server.next())).toBe(200);
    const { sessions } = await sending;
    const [session] = sessions;
    expect(session?.messages).toMatchObject([{ outcome: 'sessionLost', sent: true }]);
    expect(session?.bye).toBe('received');
    server.close();
  });

  it('repeats its ACK whenever the 200 is repeated', async () => {
    const server = await largeServer(transport);
    const sending = sendTo(server);
    const { invite, ack, msrp } = await server.established();
    for (const _ of ['second', 'third']) {
      server.answer(invite, { status: 200, sdp: server.sdp() });
      const again = await server.request('ACK');
      expect(identityOf(again)).toEqual(identityOf(ack));
    }
    msrp.answer(await msrp.send(), 200);
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([{ messages: [{ outcome: 'acknowledged' }] }]);
    server.close();
  });
});

describe('sendLarge: the INVITE', () => {
  it('is that of OMA SIMPLE IM 9.1.1.2', async () => {
    const server = await largeServer('tcp');
    const sending = sendTo(server, {
      subject: 'minutes of the meeting',
      headers: { priority: 'urgent' },
      expires: 60,
    });
    const invite = await server.request('INVITE');
    expect(startOf(invite)).toBe('sip:alice@example.org');
    const value = (name: string) => invite.first(name);
    expect(value('to')).toBe('<sip:alice@example.org>');
    expect(value('accept-contact')).toBe('*;+g.oma.sip-im.large-message;require;explicit');
    expect(value('subject')).toBe('minutes of the meeting');
    expect(value('priority')).toBe('urgent');
    expect(value('content-type')).toBe('application/sdp');
    expect(value('from')).toMatch(/^<sip:bob@example\.com>;tag=\w+$/);
    expect(value('contact')).toMatch(
      /^<sip:bob@127\.0\.0\.1:\d+;transport=tcp>;\+g\.oma\.sip-im\.large-message$/,
    );
    expect(value('p-asserted-identity')).toBe('<sip:bob@example.com>');
    expect(value('user-agent')).toBe('IM-client/OMA1.0 restante-ua');
    expect(value('date')).toMatch(/ GMT$/);
    expect(value('expires')).toBe('60');
    const sdp = text(invite.body).split('\r\n').slice(4);
    const port = /^m=message (\d+) /.exec(sdp[1] ?? '')?.[1];
    expect(sdp).toEqual([
      't=0 0',
      `m=message ${port} TCP/MSRP *`,
      'a=sendonly',
      'a=accept-types:text/plain',
      'a=setup:actpass',
      expect.stringMatching(`^a=path:msrp://127\\.0\\.0\\.1:${port}/\\w{32};tcp$`),
      '',
    ]);
    server.answer(invite, { status: 480 });
    await sending;
    server.close();
  });

  it('opens a dialog whose requests take the recorded route backwards', async () => {
    const server = await largeServer('udp');
    const { host, port } = server.address;
    const hops = [`<sip:far.example.org;lr>`, `<sip:${host}:${port};lr>`];
    const sending = sendTo(server, { sessions: [[plain('short')]] });
    const invite = await server.request('INVITE');
    const headers = hops.map((hop) => ['Record-Route', hop] as const);
    server.answer(invite, { status: 200, sdp: server.sdp(), headers });
    const ack = await server.request('ACK');
    const routes = ack
      .first('route')
      ?.split(',')
      .map((hop) => hop.trim());
    expect(routes).toEqual([...hops].reverse());
    const msrp = await server.connection();
    msrp.answer(await msrp.send(), 200);
    expect((await server.hangUp()).first('route')).toBe(ack.first('route'));
    await sending;
    server.close();
  });
});

describe('sendLarge: the outcome of a message', () => {
  it('is the status of its refusal, and the next one is sent', async () => {
    const server = await largeServer('tcp');
    const image = { content: utf8('<svg/>'), contentType: 'image/svg+xml' };
    const sending = sendTo(server, { sessions: [[plain(LONG), image, image, plain('last')]] });
    const { invite, msrp } = await server.established();
    expect(attribute(invite, 'accept-types')).toBe('text/plain image/svg+xml');
    msrp.answer(await msrp.send(), 413);
    msrp.answer(await msrp.send(), 415);
    const rest = [await msrp.send(), await msrp.send()];
    for (const frame of rest) msrp.answer(frame, frame.body === 'last' ? 200 : 415);
    await server.hangUp();
    const [session] = (await sending).sessions;
    expect(session?.messages).toMatchObject([
      { outcome: 'failed', status: 413 },
      { outcome: 'failed', status: 415 },
      { outcome: 'failed', status: 415 },
      { outcome: 'acknowledged' },
    ]);
    server.close();
  });

  it('is lost when the server drops the connection, and BYE is said', async () => {
    const server = await largeServer('tcp');
    const sending = sendTo(server);
    const { msrp } = await server.established();
    await msrp.send();
    msrp.drop();
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([
      { messages: [{ outcome: 'sessionLost', sent: true }], bye: { status: 200 } },
    ]);
    server.close();
  });

  it('waits for the success REPORT when one is asked for', async () => {
    const server = await largeServer('tcp');
    const sending = sendTo(server, { sessions: [[plain('short')]], successReport: true });
    const { msrp } = await server.established();
    const frame = await msrp.send();
    expect(frame.headers['Success-Report']).toBe('yes');
    msrp.answer(frame, 200);
    msrp.report(frame, '1-5/5', '200 OK');
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([{ messages: [{ outcome: 'acknowledged' }] }]);
    server.close();
  });

  it('is a failure that a REPORT tells after the 200', async () => {
    const server = await largeServer('tcp');
    const sending = sendTo(server, { sessions: [[plain('one'), plain('two')]] });
    const { msrp } = await server.established();
    const [one, two] = [await msrp.send(), await msrp.send()];
    msrp.answer(one, 200);
    msrp.report(one, '1-3/3', '413 Too much');
    msrp.answer(two, 200);
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([
      { messages: [{ outcome: 'failed', status: 413 }, { outcome: 'acknowledged' }] },
    ]);
    server.close();
  });

  it('is lost when the 200 describes nothing to connect to', async () => {
    const server = await largeServer('tcp');
    const sending = sendTo(server);
    const invite = await server.request('INVITE');
    server.answer(invite, { status: 200 });
    await server.request('ACK');
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([
      { messages: [{ outcome: 'sessionLost', sent: false }], bye: { status: 200 } },
    ]);
    server.close();
  });
});

describe('sendLarge: who connects', () => {
  it('is the server when its answer is active', async () => {
    const server = await largeServer('tcp');
    const sending = sendTo(server);
    const invite = await server.request('INVITE');
    server.answer(invite, { status: 200, sdp: server.sdp('active') });
    await server.request('ACK');
    const msrp = await server.connectTo(invite);
    msrp.bind(attribute(invite, 'path'), server.path);
    expect(await msrp.next()).toMatchObject({ what: '200', tid: 'b1nd' });
    const frame = await msrp.send();
    expect(frame.body).toBe(LONG);
    msrp.answer(frame, 200);
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([{ messages: [{ outcome: 'acknowledged' }] }]);
    server.close();
  });

  it.each(['active', 'passive'] as const)(
    'a late offer is answered %s in the ACK',
    async (setup) => {
      const server = await largeServer('tcp');
      const sending = sendTo(server, { lateOffer: { setup } });
      const invite = await server.request('INVITE');
      expect(invite.body).toHaveLength(0);
      expect(invite.first('content-type')).toBeUndefined();
      server.answer(invite, { status: 200, sdp: server.sdp('actpass') });
      const ack = await server.request('ACK');
      expect(ack.first('content-type')).toBe('application/sdp');
      expect(attribute(ack, 'setup')).toBe(setup);
      const msrp = await (setup === 'active' ? server.connection() : server.connectTo(ack));
      if (setup === 'passive') {
        msrp.bind(attribute(ack, 'path'), server.path);
        await msrp.next();
      }
      msrp.answer(await msrp.send(), 200);
      await server.hangUp();
      expect((await sending).sessions).toMatchObject([{ messages: [{ outcome: 'acknowledged' }] }]);
      server.close();
    },
  );
});

describe('sendLarge: the end', () => {
  it.each(['drop', 'nothing'] as const)(
    '%s: no BYE, and that of the server is answered',
    async (endWith) => {
      const server = await largeServer('udp');
      const sending = sendTo(server, { endWith });
      const { invite, msrp } = await server.established();
      msrp.answer(await msrp.send(), 200);
      const { sessions, close } = await sending;
      expect(sessions).toMatchObject([{ messages: [{ outcome: 'acknowledged' }] }]);
      expect(sessions[0]?.bye).toBeUndefined();
      if (endWith === 'drop') expect(await msrp.next()).toBe('closed');
      server.say('BYE', invite);
      expect(startOf(await server.next())).toBe(200);
      await sessions[0]?.untilServerBye();
      expect(endWith === 'drop' || (await msrp.next())).toBe(endWith === 'drop' || 'closed');
      close();
      server.close();
    },
  );

  it('each session has its own dialog and path, one after the other', async () => {
    const server = await largeServer('udp');
    const told: string[] = [];
    const sessions = [[plain('one')], [plain('two')]];
    const sending = sendTo(server, { sessions, onSession: ({ callId }) => told.push(callId) });
    const paths = new Set<string>();
    for (const body of ['one', 'two']) {
      const { invite, msrp } = await server.established();
      paths.add(attribute(invite, 'path'));
      const frame = await msrp.send();
      expect(frame.body).toBe(body);
      msrp.answer(frame, 200);
      await server.hangUp();
    }
    const sent = await sending;
    expect(sent.sessions.map(({ callId }) => callId)).toEqual(told);
    expect([new Set(told).size, paths.size]).toEqual([2, 2]);
    server.close();
  });

  it('leaves the dialog as it is when asked to change it', async () => {
    const server = await largeServer('udp');
    const sending = sendTo(server);
    const { invite, msrp } = await server.established();
    const frame = await msrp.send();
    const statuses: unknown[] = [];
    for (const method of ['UPDATE', 'INVITE', 'OPTIONS', 'INFO']) {
      server.say(method, invite);
      statuses.push(startOf(await server.next()));
    }
    expect(statuses).toEqual([200, 488, 200, 405]);
    msrp.answer(frame, 200);
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([{ bye: { status: 200 } }]);
    server.close();
  });
});
