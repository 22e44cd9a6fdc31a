/** TLS between Kamailio and the store, each known to the other by its certificate alone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { receiver } from '../../src/adapters/ua/receiver.ts';
import { sendMessages } from '../../src/adapters/ua/send-messages.ts';
import { type Certificates, certificates, withoutOpenssl } from '../controls/certificates.ts';
import { serverBuild } from '../controls/defects.ts';
import {
  type Kamailio,
  kamailioPorts,
  kamailioTlsAvailable,
  startKamailio,
} from '../controls/kamailio.ts';
import { readLog } from '../controls/read-log.ts';
import { freePort, type Server, startServer } from '../controls/server.ts';

const available = kamailioTlsAvailable() && withoutOpenssl === '';
const HOST = '127.0.0.1';

describe.skipIf(!available)(`a store and a core that speak TLS${withoutOpenssl}`, () => {
  let files: Certificates;
  let core: Kamailio;
  let server: Server;

  beforeAll(async () => {
    const launcher = await serverBuild();
    files = certificates();
    const ports = await kamailioPorts();
    const tlsPort = await freePort();
    const ours = files.issue('store', { san: `URI:sip:store.example.org,IP:${HOST}` });
    const theirs = files.issue('core', { san: `DNS:core.example.org,IP:${HOST}` });
    const tls = { ...theirs, ca: files.ca };
    core = await startKamailio({ stores: [tlsPort], transport: 'tls', tls }, ports);
    server = await startServer({
      launcher,
      args: [
        ...['--sip-listen', `tls://${HOST}:${tlsPort}`, '--next-hop', core.nextHop],
        ...['--tls-certificate', ours.certificate, '--tls-key', ours.key, '--tls-ca', files.ca],
        // Nobody on loopback is trusted for its address.
        ...['--trust', '192.0.2.1/32,tls:core.example.org', '--journal', 'full'],
      ],
    });
  });
  afterAll(async () => {
    await core?.close();
    await server?.remove();
    files?.remove();
  });

  it('deposit, third-party REGISTER and push, all over TLS [RFC 5922 §7]', async () => {
    const address = { transport: 'udp', host: HOST, port: core.clientPort } as const;
    const texts = { from: 'bob', to: 'alice', domain: 'example.org', bodies: ['in private'] };
    const [sent] = await sendMessages({ server: address, ...texts });
    expect(sent?.status).toBe(202);
    const alice = await receiver({
      server: address,
      aor: 'sip:alice@example.org',
      listen: { host: HOST },
    });
    try {
      expect((await alice.delivery()).messages.map(({ text }) => text)).toEqual(['in private']);
    } finally {
      alice.close();
    }
    const sip = (await readLog(server.data)).flatMap(({ data, meta }) => {
      const { protocol, transport } = data as Record<string, unknown>;
      return protocol === 'sip' ? [transport] : (meta.evidence?.transport ?? []);
    });
    expect(new Set(sip)).toEqual(new Set(['tls']));
  });
});
