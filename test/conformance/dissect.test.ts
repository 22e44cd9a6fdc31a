/** An independent dissector, Wireshark's, reads what the server wrote and complains of nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { receiver } from '../../src/adapters/ua/receiver.ts';
import { sendMessages } from '../../src/adapters/ua/send-messages.ts';
import { type Dissected, dissect, dissectorAvailable } from '../controls/dissect.ts';
import type { Packet } from '../controls/scripted-peer.ts';
import {
  adapted,
  depositText,
  fixturesAvailable,
  type PushFlow,
  playPush,
} from '../controls/scripted-peer-flow.ts';
import { udpRelay } from '../controls/scripted-peer-relay.ts';
import { freePort, startServer } from '../controls/server.ts';

const dissector = dissectorAvailable();

/** How often each protocol was met, printed, so that a run shows what it has seen. */
function counts(title: string, found: readonly Dissected[]): Readonly<Record<string, number>> {
  const met: Record<string, number> = {};
  for (const protocol of found.flatMap(({ protocols }) => protocols)) {
    met[protocol] = (met[protocol] ?? 0) + 1;
  }
  const text = Object.entries(met).map(([protocol, count]) => `${count} ${protocol}`);
  console.log(`${title}: ${text.join(', ')}`);
  return met;
}

/** Each complaint with the place of its packet. */
function complaints(found: readonly Dissected[]): readonly string[] {
  return found.flatMap(({ complaints: all }, index) => all.map((one) => `${index + 1}: ${one}`));
}

describe.skipIf(!dissector || !fixturesAvailable())('a push over TCP, dissected', () => {
  let flow: PushFlow;
  let ports: Readonly<Record<string, 'sip' | 'msrp'>>;
  beforeAll(async () => {
    flow = await playPush([
      depositText(1),
      // Nothing private in it: it is pushed as message/sip.
      depositText(2).replace(/^Route: .*\r\n/m, ''),
      adapted(depositText(3), [['Can you', 'žluťoučký kůň '.repeat(400)]]),
    ]);
    const { server, corePort, mediaPort } = flow;
    const sip = { [`tcp ${server.sipPort}`]: 'sip', [`tcp ${corePort}`]: 'sip' } as const;
    ports = { ...sip, [`tcp ${mediaPort}`]: 'msrp' };
  });
  afterAll(() => flow?.close());

  it('SIP, SDP, MSRP, multipart, message/sip and message/sipfrag: no complaint', async () => {
    const found = await dissect(flow.peer.packets, ports);
    expect(complaints(found)).toEqual([]);
    const met = counts('dissected of the push over TCP', found);
    // Three deposits, REGISTER, INVITE, BYE and their answers, ACK, the REGISTER in the REGISTER
    // and the message/sip of the second push.
    expect(met.sip).toBe(15);
    expect(met).toMatchObject({ sdp: 2, msrp: 8, mime_multipart: 3, sipfrag: 5 });
  });

  it('a complaint is seen: a broken head, a broken offer', async () => {
    const invite = flow.peer.packets.find(({ octets }) => String(octets).startsWith('INVITE '));
    const broken = (from: string, to: string, port: number): Packet => ({
      transport: 'tcp',
      from: { host: '127.0.0.1', port },
      to: { host: '127.0.0.1', port: flow.corePort },
      octets: Buffer.from(String(invite?.octets).replace(from, to)),
    });
    const packets = [broken('CSeq:', 'CS eq', 1001), broken('v=0', 'nonsense', 1002)];
    const found = await dissect(packets, ports);
    expect(found.filter(({ complaints: all }) => all.length > 0)).toHaveLength(2);
  });
});

describe.skipIf(!dissector)('a push over UDP to the independent client, dissected', () => {
  it('SIP and SDP: no complaint', async () => {
    const packets: Packet[] = [];
    const sipPort = await freePort();
    const relays = [await udpRelay(sipPort, packets), await udpRelay(sipPort, packets)] as const;
    const [sending, receiving] = relays.map(({ port }) => ({
      transport: 'udp' as const,
      host: '127.0.0.1',
      port,
    }));
    if (!sending || !receiving) throw new Error('there is no relay');
    const nextHop = `sip:127.0.0.1:${receiving.port};transport=udp`;
    const server = await startServer({ sipPort, args: ['--next-hop', nextHop] });
    try {
      await sendMessages({
        server: sending,
        from: 'bob',
        to: 'alice',
        domain: 'example.org',
        bodies: ['příliš žluťoučký kůň', 'short'],
        subject: 'over UDP',
      });
      const client = await receiver({
        server: receiving,
        aor: 'sip:alice@example.org',
        listen: { host: '127.0.0.1' },
      });
      expect((await client.delivery()).messages).toHaveLength(2);
      client.close();
    } finally {
      await server.remove();
      for (const relay of relays) relay.close();
    }
    const found = await dissect(packets, { [`udp ${sipPort}`]: 'sip' });
    expect(complaints(found)).toEqual([]);
    const met = counts('dissected of the push over UDP', found);
    // Two deposits, REGISTER, INVITE and BYE with their answers, ACK: repeats may add to them.
    expect(met.sip).toBeGreaterThanOrEqual(11);
    expect(met.sdp).toBeGreaterThanOrEqual(2);
  });
});
