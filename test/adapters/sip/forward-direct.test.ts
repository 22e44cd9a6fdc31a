/** A MESSAGE for a client that registered here itself: there is no core between. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  answerTo,
  type ForwardStage,
  forwardStage,
  message,
  statusOf,
} from '../../controls/forward-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { register } from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: ForwardStage;
afterEach(() => stage.close());

describe('without a next hop: straight to the contact', () => {
  const NETWORK = {
    'P-Asserted-Identity': '<sip:bob@example.org>',
    'P-Access-Network-Info': '3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11',
  };

  /** Alice registers from a place of her own; what she gets of a message with these headers. */
  async function received(headers: Readonly<Record<string, string>>, trusted: boolean) {
    let registered = false;
    const isTrusted = (address: string) => trusted || !registered || address === '127.0.0.1';
    stage = await forwardStage({}, { direct: true, trusted: isTrusted });
    const client = await stage.peer.datagrams(stage.udp, { host: '127.0.0.9' });
    const Contact = `<sip:alice@127.0.0.9:${client.local.port}?X=1>;+g.oma.sip-im`;
    client.send(register('r1', { Contact }));
    await client.next();
    registered = true;
    stage.sender.send(message('m1', { ...NETWORK, ...headers }));
    const forwarded = await client.next();
    client.send(answerTo(forwarded, '200 OK', ['P-Asserted-Identity: <sip:alice@example.org>']));
    const answer = String(await stage.sender.next());
    expect(statusOf(answer)).toBe(200);
    return { forwarded: String(forwarded), client, answer };
  }

  test('the Request-URI is the contact, the newest of several [RFC 3261 §16.5, A-37]', async () => {
    const { forwarded, client, answer } = await received({}, true);
    expect(headerOf(answer, 'P-Asserted-Identity')).toBe('<sip:alice@example.org>');
    expect(forwarded).toContain(`MESSAGE sip:alice@127.0.0.9:${client.local.port} SIP/2.0\r\n`);
    expect(headerOf(forwarded, 'P-Asserted-Identity')).toBe('<sip:bob@example.org>');
    expect(headerOf(forwarded, 'P-Access-Network-Info')).not.toBe('');
  });

  test("to who is not trusted goes nothing of the network's [RFC 3325 §7, RFC 7315 §4]", async () => {
    const open = await received({}, false);
    expect(headerOf(open.answer, 'P-Asserted-Identity')).toBe('');
    expect(headerOf(open.forwarded, 'P-Asserted-Identity')).toBe('<sip:bob@example.org>');
    expect(headerOf(open.forwarded, 'P-Access-Network-Info')).toBe('');
    await stage.close();
    const hidden = await received({ Privacy: 'id' }, false);
    expect(headerOf(hidden.forwarded, 'P-Asserted-Identity')).toBe('');
    expect(headerOf(hidden.forwarded, 'Privacy')).toBe('id');
  });
});

test('what counts as undelivered goes to no further server [RFC 3263 §4.3]', async () => {
  stage = await forwardStage({ seconds: 1 }, { direct: true });
  const first = await stage.peer.datagrams(stage.udp);
  const second = await stage.peer.datagrams(stage.udp, { host: '127.0.0.9' });
  const Contact = `<sip:127.0.0.1:${first.local.port}>`;
  second.send(register('r1', { From: '<sip:scscf.example.org>;tag=s1', Contact }));
  await second.next();
  stage.sender.send(message('m1'));
  const forwarded = await first.next();
  expect(statusOf(await stage.sender.next())).toBe(202);
  first.send(answerTo(forwarded, '503 Service Unavailable'));
  await until(() => stage.agent.counts().clients === 0 || second.received.length > 1);
  expect(second.received).toHaveLength(1);
  expect(stage.forwards).toEqual(['deferred 408']);
});
