/** What waits for a client is pushed over the connection that it registered by, on any transport. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TRANSPORT_LIMITS } from '../../../src/adapters/sip/transport/transport-contract.ts';
import type { SipTransport } from '../../../src/wire/sip/hop.ts';
import { type Certificates, certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { anew, authorized, clients } from '../../controls/digest-client.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { type SipLine, sipLine, withoutIpv6 } from '../../controls/sip-line.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Tls = { readonly certificate: string; readonly key: string; readonly ca: string };

async function opened(transport: SipTransport, host: string, tls?: Tls) {
  const at = host.includes(':') ? `[${host}]` : host;
  const listen = [`${transport}://${at}:0`, `udp://${at}:0`];
  const stage = await sipAgentStage({ listen, ...(tls && { tls }) });
  closing.push(() => stage.close());
  const port = stage.agent.listening[0]?.port ?? 0;
  const ca = tls && { ca: readFileSync(tls.ca, 'utf8') };
  const line = await sipLine({ transport, host, port, ...ca });
  closing.push(() => line.close());
  return { stage, line, own: `${at}:${port}` };
}

async function ask(line: SipLine, request: string): Promise<string> {
  line.send(request);
  return line.next();
}

const via = (line: SipLine, branch: string) => ({ Via: `${line.via};branch=z9hG4bK${branch}` });

function accepted(invite: string, contact: string): string {
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(invite, name)}`,
  );
  const to = `To: ${headerOf(invite, 'To')};tag=ue`;
  const lines = ['SIP/2.0 200 OK', ...mirrored, to, `Contact: ${contact}`, 'Content-Length: 0'];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A MESSAGE waits, the client comes, the INVITE, its ACK and its BYE come to it. */
async function pushed(
  { stage, line, own }: { stage: SipAgentStage; line: SipLine; own: string },
  transport: SipTransport,
): Promise<void> {
  const inUri = transport === 'wss' ? 'ws' : transport;
  const Contact = `<sip:alice@${line.local};transport=${inUri}>;+g.oma.sip-im`;
  const taken = await ask(line, sipRequest('MESSAGE', 'm1', via(line, 'm1'), { body: 'hi' }));
  expect(taken).toMatch(/^SIP\/2\.0 202 /);
  const registered = await ask(line, register('r1', { ...via(line, 'r1'), Contact }));
  expect(registered).toMatch(/^SIP\/2\.0 200 /);
  const invite = await line.next();
  expect(invite).toMatch(/^INVITE sip:alice@/);
  expect(headerOf(invite, 'Via')).toMatch(`SIP/2.0/${transport.toUpperCase()} ${own};`);
  expect(headerOf(invite, 'Contact')).toContain(`@${own};transport=${inUri}>`);
  expect(await ask(line, accepted(invite, Contact))).toMatch(/^ACK /);
  expect(await line.next()).toMatch(/^BYE /);
  const { connectionsBy, connections } = stage.agent.counts();
  expect(connections).toBe(transport === 'udp' ? 0 : 1);
  if (transport !== 'udp') expect(connectionsBy[transport]).toBe(1);
  expect(stage.faults).toEqual([]);
}

const PLAIN = ['udp', 'tcp', 'ws'] as const;
const SECURE = ['tls', 'wss'] as const;

describe('INVITE, ACK and BYE over the connection of the REGISTER [RFC 7118 §5.3, RFC 5626 §5.3]', () => {
  test.each(PLAIN)('%s', async (transport) => {
    await pushed(await opened(transport, '127.0.0.1'), transport);
  });

  describe.skipIf(withoutIpv6 !== '')(`over IPv6${withoutIpv6}`, () => {
    test.each(PLAIN)('%s', async (transport) => {
      await pushed(await opened(transport, '::1'), transport);
    });
  });

  describe.skipIf(withoutOpenssl !== '')(`over TLS${withoutOpenssl}`, () => {
    let made: Certificates;
    let tls: Tls;
    beforeAll(() => {
      made = certificates();
      tls = { ...made.issue('server', { san: 'IP:127.0.0.1,IP:::1' }), ca: made.ca };
    });
    afterAll(() => made.remove());

    test.each(SECURE)('%s', async (transport) => {
      await pushed(await opened(transport, '127.0.0.1', tls), transport);
    });

    test.skipIf(withoutIpv6 !== '').each(SECURE)(
      `%s over IPv6${withoutIpv6}`,
      async (transport) => {
        await pushed(await opened(transport, '::1', tls), transport);
      },
    );
  });
});

test('a WebSocket that is gone: the push is not sent, and tried again when the client is back', async () => {
  const { stage, line } = await opened('ws', '127.0.0.1');
  const Contact = `<sip:alice@${line.local};transport=ws>;+g.oma.sip-im`;
  await ask(line, register('r1', { ...via(line, 'r1'), Contact }));
  line.close();
  const port = stage.agent.listening[0]?.port ?? 0;
  const other = await sipLine({ transport: 'ws', host: '127.0.0.1', port });
  closing.push(() => other.close());
  const taken = await ask(other, sipRequest('MESSAGE', 'm1', via(other, 'm1'), { body: 'hi' }));
  expect(taken).toMatch(/^SIP\/2\.0 202 /);
  await ask(other, register('r2', { ...via(other, 'r2'), Contact, CSeq: '2 REGISTER' }));
  expect(await other.next()).toMatch(/^INVITE /);
});

test('who authenticated is no stranger: more of them from one address than of strangers', async () => {
  const listen = ['ws://127.0.0.1:0'];
  const stage = await sipAgentStage({
    listen,
    trusted: () => false,
    access: { clients: clients() },
  });
  closing.push(() => stage.close());
  const port = stage.agent.listening[0]?.port ?? 0;
  const come = async (): Promise<SipLine> => {
    const line = await sipLine({ transport: 'ws', host: '127.0.0.1', port });
    closing.push(() => line.close());
    return line;
  };
  const strangersMax = TRANSPORT_LIMITS.untrustedPerAddressMax;
  for (let count = 0; count < strangersMax + 2; count += 1) {
    const line = await come();
    const request = register(`r${count}`, via(line, `r${count}`));
    const challenged = await ask(line, request);
    expect(challenged).toMatch(/^SIP\/2\.0 401 /);
    const proof = authorized(anew(request, `p${count}`), challenged, { username: 'alice' });
    expect(await ask(line, proof)).toMatch(/^SIP\/2\.0 200 /);
  }
  for (let count = 0; count < strangersMax; count += 1) await come();
  await expect(come()).rejects.toThrow();
  expect(stage.agent.counts().connections).toBe(2 * strangersMax + 2);
});
