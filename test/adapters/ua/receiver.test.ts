import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type Receiver,
  type ReceiverOptions,
  receiver,
} from '../../../src/adapters/ua/receiver.ts';
import type { SipMessage } from '../../../src/wire/sip/message.ts';
import { type LoopbackPeer, loopbackPeer } from './loopback-peer.ts';
import { msrpEnd, PEER_URI, pushOf } from './msrp-end.ts';

const LOCAL = '127.0.0.1';
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

/** Registers with a peer that says yes; `register` is what it was asked. */
async function registeredAt(peer: LoopbackPeer, options: Partial<ReceiverOptions> = {}) {
  const opening = receiver({
    server: peer,
    aor: 'sip:alice@example.org',
    listen: { host: LOCAL },
    ...options,
  });
  const { message: register, answer } = await peer.next();
  answer(200);
  return { client: await opening, register };
}

const dialogHeaders = (method: string, cseq: number, toTag = '') =>
  [
    ['Via', `SIP/2.0/UDP im.example.org;branch=z9hG4bK${randomUUID()}`],
    ['Record-Route', '<sip:scscf1.example.org:5060;transport=tcp;lr>'],
    ['From', '<sip:im-store@example.org>;tag=im-9b1d'],
    ['To', `<sip:alice@example.org>${toTag && `;tag=${toTag}`}`],
    ['Call-ID', 'push-1'],
    ['CSeq', `${cseq} ${method}`],
    ['Max-Forwards', '70'],
  ] as const;

function invite(peer: LoopbackPeer, client: Receiver, { path = PEER_URI, cseq = 1 } = {}) {
  const sdp = [
    'v=0\r\no=im-store 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0',
    'm=message 2855 TCP/MSRP *\r\na=sendonly\r\na=accept-types:multipart/mixed',
    `a=setup:actpass\r\na=path:${path}\r\n`,
  ].join('\r\n');
  peer.send({
    method: 'INVITE',
    uri: client.contact,
    headers: [
      ...dialogHeaders('INVITE', cseq),
      ['Session-Expires', '1800;refresher=uac'],
      ['Supported', 'timer'],
      ['Content-Type', 'application/sdp'],
    ],
    body: utf8(sdp),
  });
}

function inDialog(peer: LoopbackPeer, client: Receiver, method: string, toTag: string, cseq = 2) {
  peer.send({ method, uri: client.contact, headers: dialogHeaders(method, cseq, toTag) });
}

/** The next answer to `method`; repeated answers to other requests are passed over. */
async function answerTo(peer: LoopbackPeer, method: string): Promise<SipMessage> {
  for (;;) {
    const { message } = await peer.next();
    if (message.first('cseq')?.endsWith(` ${method}`)) return message;
  }
}

const statusOf = ({ start }: SipMessage) => (start.kind === 'response' ? start.status : undefined);
const tagOf = (message: SipMessage) => /tag=([^;]+)/.exec(message.first('to') ?? '')?.[1] ?? '';
const attribute = (answer: SipMessage, name: string) =>
  new RegExp(`^a=${name}:(.*)\r$`, 'm').exec(text(answer.body))?.[1] ?? '';

/** INVITE, 200, ACK and the connection to a passive client. */
async function pushTo(peer: LoopbackPeer, client: Receiver) {
  invite(peer, client);
  const answer = await answerTo(peer, 'INVITE');
  inDialog(peer, client, 'ACK', tagOf(answer), 1);
  const path = attribute(answer, 'path');
  const socket = connect(Number(/:(\d+)\//.exec(path)?.[1]), LOCAL);
  await once(socket, 'connect');
  return { answer, path, socket, msrp: msrpEnd(socket) };
}

async function bye(peer: LoopbackPeer, client: Receiver, answer: SipMessage) {
  inDialog(peer, client, 'BYE', tagOf(answer));
  expect(statusOf(await answerTo(peer, 'BYE'))).toBe(200);
  return client.delivery();
}

describe.each(['udp', 'tcp'] as const)('a receiver over %s', (transport) => {
  it('registers with the IM tags, takes a push and ends with the BYE', async () => {
    const peer = await loopbackPeer(transport);
    const { client, register } = await registeredAt(peer, { version: '1.0', expiresSeconds: 600 });
    expect(register.start).toMatchObject({ method: 'REGISTER', uri: 'sip:example.org' });
    expect(register.first('contact')).toBe(
      `<${client.contact}>;+g.oma.sip-im;+g.oma.sip-im.large-message;expires=600`,
    );
    expect(register.first('user-agent')).toBe('IM-client/OMA1.0 restante-ua/1.0');
    expect(client.registered.status).toBe(200);

    const { answer, path, msrp } = await pushTo(peer, client);
    expect(statusOf(answer)).toBe(200);
    expect(answer.first('contact')).toBe(`<${client.contact}>;+g.oma.sip-im`);
    expect(answer.first('record-route')).toBe('<sip:scscf1.example.org:5060;transport=tcp;lr>');
    expect(answer.first('session-expires')).toBe('1800;refresher=uac');
    expect(text(answer.body)).toMatch(
      /m=message \d+ TCP\/MSRP \*\r\na=recvonly\r\na=accept-types:multipart\/mixed text\/plain\r\na=accept-wrapped-types:message\/sip message\/sipfrag message\/msrp\r\na=setup:passive\r\na=max-size:\d+\r\na=path:msrp:.*;tcp\r\n$/,
    );

    const push = pushOf('carpool');
    msrp.push(path, 'm001', push);
    expect(await msrp.status()).toBe(200);
    const delivery = await bye(peer, client, answer);
    expect(delivery).toMatchObject({ callId: 'push-1', ended: 'bye' });
    expect(delivery.messages).toEqual(client.messages);
    expect(delivery.messages[0]).toMatchObject({
      messageId: 'm001',
      duplicate: false,
      from: '"Bob" <sip:bob@example.com>;tag=1',
      subject: 'carpool',
      timestamp: '1795338902.114',
      type: 'message/sip',
      text: 'Zażó',
    });
    expect(delivery.messages[0]?.inner).toEqual(push.stored);
    client.close();
    await peer.close();
  });

  it('repeats its 200 until the ACK comes [RFC 3261 §13.3.1.4]', async () => {
    const peer = await loopbackPeer(transport);
    const { client } = await registeredAt(peer);
    invite(peer, client);
    const first = await answerTo(peer, 'INVITE');
    const second = await answerTo(peer, 'INVITE');
    expect(second.body).toEqual(first.body);
    client.close();
    await peer.close();
  });
});

describe('an active receiver [RFC 6135 §4.2]', () => {
  it('connects to the server after the ACK and binds the session with an empty SEND', async () => {
    const peer = await loopbackPeer('udp');
    const { client } = await registeredAt(peer, { setup: 'active' });
    const server = createServer();
    server.listen(0, LOCAL);
    await once(server, 'listening');
    const connecting = once(server, 'connection');
    const path = PEER_URI.replace('2855', String((server.address() as AddressInfo).port));
    invite(peer, client, { path });
    const answer = await answerTo(peer, 'INVITE');
    expect(attribute(answer, 'setup')).toBe('active');
    expect(text(answer.body)).toContain('m=message 9 TCP/MSRP *');
    inDialog(peer, client, 'ACK', tagOf(answer), 1);
    const [socket] = (await connecting) as [Socket];
    const msrp = msrpEnd(socket);
    const bind = await msrp.next();
    expect(bind).toMatchObject({ method: 'SEND', toPath: [path] });
    expect(bind).not.toHaveProperty('body');
    msrp.answer(bind);
    msrp.push(attribute(answer, 'path'), 'm001', pushOf('one'));
    expect(await msrp.status()).toBe(200);
    expect((await bye(peer, client, answer)).messages).toHaveLength(1);
    client.close();
    server.close();
    await peer.close();
  });
});

describe('a receiver that misbehaves on purpose', () => {
  it('refuses or ignores messages as told, and knows a repeated one', async () => {
    const peer = await loopbackPeer('udp');
    const acknowledge = (n: number) => ([413, 'never', undefined] as const)[n - 1];
    const { client } = await registeredAt(peer, { hooks: { acknowledge } });
    const { answer, path, msrp, socket } = await pushTo(peer, client);
    for (const id of ['m001', 'm002', 'm003']) msrp.push(path, id, pushOf(id));
    const first = await msrp.next();
    const second = await msrp.next();
    expect(first).toMatchObject({ tid: 'tm001', status: 413 });
    expect(second).toMatchObject({ tid: 'tm003', status: 200 });
    expect((await bye(peer, client, answer)).messages).toHaveLength(3);
    socket.destroy();

    const again = await pushTo(peer, client);
    again.msrp.push(again.path, 'm002', pushOf('m002'));
    expect(await again.msrp.status()).toBe(200);
    expect((await bye(peer, client, again.answer)).messages).toMatchObject([{ duplicate: true }]);
    client.close();
    await peer.close();
  });

  it('drops the connection after so many messages, once', async () => {
    const peer = await loopbackPeer('udp');
    const { client } = await registeredAt(peer, { hooks: { afterMessages: 2 } });
    const { answer, path, msrp, socket } = await pushTo(peer, client);
    const closed = once(socket, 'close');
    for (const id of ['m001', 'm002', 'm003']) msrp.push(path, id, pushOf(id));
    await closed;
    const { messages } = await bye(peer, client, answer);
    expect(messages.map(({ messageId }) => messageId)).toEqual(['m001', 'm002']);
    client.close();
    await peer.close();
  });

  it('refuses an INVITE as told, one without MSRP, and a second one at a time', async () => {
    const peer = await loopbackPeer('udp');
    const onInvite = (n: number) => (n === 1 ? 480 : undefined);
    const { client } = await registeredAt(peer, { hooks: { onInvite } });
    const statuses: (number | undefined)[] = [];
    const headers = (cseq: number) => dialogHeaders('INVITE', cseq);
    for (const cseq of [1, 2, 3, 4]) {
      if (cseq === 2) peer.send({ method: 'INVITE', uri: client.contact, headers: headers(cseq) });
      else invite(peer, client, { cseq });
      const answer = await answerTo(peer, 'INVITE');
      statuses.push(statusOf(answer));
      inDialog(peer, client, 'ACK', tagOf(answer), cseq);
    }
    expect(statuses).toEqual([480, 488, 200, 486]);
    client.close();
    await peer.close();
  });

  it('answers what belongs to no dialog 481, and what it does not do 405', async () => {
    const peer = await loopbackPeer('udp');
    const { client } = await registeredAt(peer);
    for (const [method, status] of [
      ['BYE', 481],
      ['UPDATE', 481],
      ['CANCEL', 481],
      ['OPTIONS', 200],
      ['MESSAGE', 405],
    ] as const) {
      inDialog(peer, client, method, 'unknown');
      expect([method, statusOf(await answerTo(peer, method))]).toEqual([method, status]);
    }
    client.close();
    await peer.close();
  });
});
