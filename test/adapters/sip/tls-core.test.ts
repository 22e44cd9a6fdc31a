/** A core on the other side of mutual TLS: known by the name in its certificate, not by address. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import { type Certificates, certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { register, sipAgentStage, sipRequest } from '../../controls/sip-agent-stage.ts';
import { sipLine } from '../../controls/sip-line.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe.skipIf(withoutOpenssl !== '')(`a core over TLS [RFC 5922 §7.4]${withoutOpenssl}`, () => {
  let made: Certificates;
  beforeAll(() => {
    made = certificates();
  });
  afterAll(() => made.remove());

  test('its requests are believed, and pushes go to it over a connection that we verified', async () => {
    const own = {
      ...made.issue('own', { san: 'URI:sip:im.example.org,IP:127.0.0.1' }),
      ca: made.ca,
    };
    const core = {
      ...made.issue('core', { san: 'URI:sip:core.example,IP:127.0.0.1' }),
      ca: made.ca,
    };
    const there = await transportStage(['tls://127.0.0.1:0'], { tls: core });
    closing.push(() => there.transports.close());
    const corePort = there.transports.listening[0]?.port ?? 0;
    const stage = await sipAgentStage({
      listen: ['tls://127.0.0.1:0'],
      tls: own,
      trusted: () => false,
      access: { trustedName: (name) => name === 'core.example' },
      nextHop: `sip:127.0.0.1:${corePort};transport=tls`,
    });
    closing.push(() => stage.close());
    const port = stage.agent.listening[0]?.port ?? 0;
    const to = {
      transport: 'tls',
      host: '127.0.0.1',
      port,
      local: `127.0.0.1:${corePort}`,
    } as const;
    const say = (request: string) => there.transports.send(new TextEncoder().encode(request), to);
    there.onMessage = (message, source) => {
      if (message.start.kind !== 'request' || message.start.method === 'ACK') return;
      void there.transports.send(renderResponse(message, source, { status: 480 }), source);
    };
    const Via = `SIP/2.0/TLS 127.0.0.1:${corePort};branch=z9hG4bK`;
    await say(sipRequest('MESSAGE', 'm1', { Via: `${Via}m1` }, { body: 'hi' }));
    await until(() => there.messages.length === 1);
    const Contact = '<sip:alice@127.0.0.1:9>;+g.oma.sip-im';
    await say(register('r1', { Via: `${Via}r1`, Contact }));
    await until(() => there.messages.some(({ message }) => message.start.kind === 'request'));
    const starts = there.messages.map(({ message: { start } }) =>
      start.kind === 'request' ? start.method : String(start.status),
    );
    expect(starts.slice(0, 3)).toEqual(['202', '200', 'INVITE']);
    expect(there.messages[2]?.source.peerNames).toEqual(['im.example.org']);
    const via = there.messages[2]?.message.first('via');
    expect(via).toMatch(new RegExp(`^SIP/2\\.0/TLS 127\\.0\\.0\\.1:${port};`));
  });

  test('a peer without that name is a stranger', async () => {
    const own = { ...made.issue('self', { san: 'IP:127.0.0.1' }), ca: made.ca };
    const stage = await sipAgentStage({
      listen: ['tls://127.0.0.1:0'],
      tls: own,
      trusted: () => false,
      access: { trustedName: (name) => name === 'core.example' },
    });
    closing.push(() => stage.close());
    const port = stage.agent.listening[0]?.port ?? 0;
    const ca = readFileSync(made.ca, 'utf8');
    const line = await sipLine({ transport: 'tls', host: '127.0.0.1', port, ca });
    closing.push(() => line.close());
    line.send(sipRequest('MESSAGE', 'm1', { Via: `${line.via};branch=z9hG4bKm1` }, { body: 'hi' }));
    expect(await line.next()).toMatch(/^SIP\/2\.0 403 /);
  });
});
