/** A domain whose servers speak TLS: its name decides, not the names that the DNS led to. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Certificates, certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { dnsServer, dnsServerAvailable } from '../../controls/dns-server.ts';
import { register, sipAgentStage, sipRequest } from '../../controls/sip-agent-stage.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const available = dnsServerAvailable() && withoutOpenssl === '';

describe.skipIf(!available)(`a core by NAPTR and SRV over TLS${withoutOpenssl}`, () => {
  let made: Certificates;
  beforeAll(() => {
    made = certificates();
  });
  afterAll(() => made.remove());

  async function server(name: string, san: string) {
    const there = await transportStage(['tls://127.0.0.1:0'], {
      tls: { ...made.issue(name, { san }), ca: made.ca },
    });
    closing.push(() => there.transports.close());
    const methods = () =>
      there.messages.map(({ message: { start } }) =>
        start.kind === 'request' ? start.method : '',
      );
    return { port: there.transports.listening[0]?.port ?? 0, methods };
  }

  test.each(['sip:core.test', 'sips:core.test'])(
    '%s: a certificate for the host in the SRV record will not do, the next server is asked [RFC 5922 §7.1]',
    async (nextHop) => {
      const named = await server('host', 'DNS:one.core.test');
      const right = await server('domain', 'URI:sip:core.test');
      const dns = await dnsServer({
        hosts: ['one.core.test,127.0.0.1', 'two.core.test,127.0.0.1'],
        services: [
          `_sips._tcp.core.test,one.core.test,${named.port},0,0`,
          `_sips._tcp.core.test,two.core.test,${right.port},1,0`,
        ],
        rules: [
          'core.test,10,10,s,SIPS+D2T,,_sips._tcp.core.test',
          'core.test,20,10,s,SIP+D2U,,_sip._udp.core.test',
        ],
      });
      closing.push(dns.close);
      const own = made.issue('own', { san: 'IP:127.0.0.1' });
      const stage = await sipAgentStage({
        listen: ['udp://127.0.0.1:0', 'tls://127.0.0.1:0'],
        tls: { ...own, ca: made.ca },
        nextHop,
        dnsServers: [dns.address],
      });
      closing.push(() => stage.close());
      const line = await stage.peer.datagrams(stage.udp);
      line.send(sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
      await line.next();
      line.send(register('r1', { Contact: '<sip:alice@192.0.2.200>;+g.oma.sip-im' }));
      await until(() => right.methods().includes('INVITE'));
      expect(named.methods()).toEqual([]);
      expect(dns.asked()).not.toContain('SRV _sip._udp.core.test');
    },
  );
});
