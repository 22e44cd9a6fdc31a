/** MSRP over TLS: both ends are endpoints of ours, their certificates from a root that nobody knows. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MsrpSignal } from '../../../src/adapters/msrp/endpoint.ts';
import { memorySink } from '../../../src/wire/msrp/message-sink.ts';
import { type Certificates, certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { dnsServer, dnsServerAvailable } from '../../controls/dns-server.ts';
import { bind, closeEndpoints, endpoint, text, uri } from './loopback.ts';

const LISTEN = { host: '127.0.0.1', port: 0 };
let made: Certificates | undefined;

beforeAll(() => {
  if (withoutOpenssl === '') made = certificates();
});
afterAll(() => made?.remove());
afterEach(closeEndpoints);

function material(name: string) {
  const files = made?.issue(name, { san: 'IP:127.0.0.1' });
  if (!files) throw new Error('there are no certificates');
  const pem = {
    cert: readFileSync(files.certificate, 'utf8'),
    key: readFileSync(files.key, 'utf8'),
  };
  return () => pem;
}

async function secure(name: string, options: Parameters<typeof endpoint>[0] = {}) {
  const own = await endpoint({ ...options, tls: { listen: LISTEN, material: material(name) } });
  const { tls } = own;
  if (!tls) throw new Error('TLS is not listened for');
  return { own, tls, uri: (id: string) => `msrps://127.0.0.1:${tls.port}/${id};tcp` };
}

const message = {
  ...{ key: '1', messageId: 'm123', contentType: 'text/plain' },
  body: Buffer.from('secret words'),
};

describe.skipIf(withoutOpenssl !== '')(`two endpoints over TLS${withoutOpenssl}`, () => {
  async function pair() {
    const signals: MsrpSignal[] = [];
    const refused: string[] = [];
    const server = await secure('server', {
      journal: (signal) => signals.push(signal),
      refused: ({ reason }) => refused.push(reason),
    });
    const client = await secure('client');
    const got: string[] = [];
    const on = {
      begin: () => memorySink(),
      message(
        { sink, bytes }: { sink: ReturnType<typeof memorySink>; bytes: number },
        answer: (status: number) => void,
      ) {
        got.push(text(sink.octets(bytes)));
        answer(200);
      },
    };
    return { server, client, got, on, signals, refused };
  }

  it('each has the certificate of its fingerprint: messages pass [RFC 8122 §5]', async () => {
    const { server, client, got, on, signals } = await pair();
    const [ours, theirs] = [server.uri('p7k2m4qx9w'), client.uri('2s93i9ek2a')];
    client.own.acceptSession({
      ...{ localUri: theirs, remotePath: [ours], on },
      peerFingerprint: server.tls.fingerprint(),
    });
    const push = server.own.connectSession({
      ...{ localUri: ours, remotePath: [theirs] },
      peerFingerprint: client.tls.fingerprint().toLowerCase(),
    });
    expect(await push.send(message)).toEqual({ outcome: 'acknowledged' });
    expect(got).toEqual(['secret words']);
    expect(new Set(signals.map(({ transport }) => transport))).toEqual(new Set(['tls']));
  });

  it('a message of 8 MiB passes octet for octet', async () => {
    const { server, client, got, on } = await pair();
    const [ours, theirs] = [server.uri('p7k2m4qx9w'), client.uri('2s93i9ek2a')];
    client.own.acceptSession({ localUri: theirs, remotePath: [ours], on });
    const push = server.own.connectSession({
      ...{ localUri: ours, remotePath: [theirs] },
      peerFingerprint: client.tls.fingerprint(),
    });
    const body = Buffer.alloc(8 * 1024 * 1024, 'large, and in any order it came: ');
    expect(await push.send({ ...message, body })).toEqual({ outcome: 'acknowledged' });
    expect(body.equals(Buffer.from(got[0] ?? '', 'latin1'))).toBe(true);
  });

  it('who is called has another certificate: nothing is sent [RFC 8122 §6.2]', async () => {
    const { server, client, got, on } = await pair();
    const [ours, theirs] = [server.uri('p7k2m4qx9w'), client.uri('2s93i9ek2a')];
    client.own.acceptSession({ localUri: theirs, remotePath: [ours], on });
    const push = server.own.connectSession({
      ...{ localUri: ours, remotePath: [theirs] },
      peerFingerprint: server.tls.fingerprint(),
    });
    expect(await push.bound).toEqual({
      bound: false,
      reason: 'the certificate of the peer is not the one of its fingerprint',
    });
    expect(got).toEqual([]);
  });

  it('who calls has another certificate: 481 before any content [RFC 8122 §6.2]', async () => {
    const { server, client, refused, on, got } = await pair();
    const [ours, theirs] = [server.uri('p7k2m4qx9w'), client.uri('2s93i9ek2a')];
    server.own.acceptSession({
      ...{ localUri: ours, remotePath: [theirs], on },
      peerFingerprint: server.tls.fingerprint(),
    });
    const push = client.own.connectSession({
      ...{ localUri: theirs, remotePath: [ours] },
      peerFingerprint: server.tls.fingerprint(),
    });
    expect(await push.send(message)).toMatchObject({ outcome: 'sessionLost' });
    expect(got).toEqual([]);
    expect(refused[0]).toBe('the certificate of the peer is not the one of its fingerprint');
  });

  it('a session that is offered over TLS cannot be had without, nor the other way', async () => {
    const { server, on, refused } = await pair();
    const [ours, plain] = [server.uri('p7k2m4qx9w'), uri(server.own, 'plainplain')];
    server.own.acceptSession({ localUri: ours, remotePath: [plain], on });
    server.own.acceptSession({ localUri: plain, remotePath: [ours], on });
    const heard = async (socket: NodeJS.ReadWriteStream, octets: string): Promise<string> => {
      let said = '';
      socket.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      socket.on('error', () => {});
      socket.write(octets);
      await new Promise((resolve) => socket.once('close', resolve));
      return said;
    };
    const { port } = server.tls;
    expect(await heard(connect(server.own.port, '127.0.0.1'), bind(ours))).toContain(' 481 ');
    const tls = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    expect(await heard(tls, bind(plain))).toContain(' 481 ');
    expect(refused).toContain('the session is offered over TLS alone');
    expect(refused).toContain('the session is not offered over TLS');
  });

  it('plain octets at the port of TLS are no handshake, and the next one works', async () => {
    const { server, client, got, on, refused } = await pair();
    const socket = connect(server.tls.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('MSRP abcd SEND\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(refused.join()).toContain('TLS handshake');
    const [ours, theirs] = [server.uri('p7k2m4qx9w'), client.uri('2s93i9ek2a')];
    server.own.acceptSession({ localUri: ours, remotePath: [theirs], on });
    const push = client.own.connectSession({
      ...{ localUri: theirs, remotePath: [ours] },
      peerFingerprint: server.tls.fingerprint(),
    });
    expect(await push.send(message)).toEqual({ outcome: 'acknowledged' });
    expect(got).toHaveLength(1);
  });

  it('a certificate that is exchanged is used by the next connection', async () => {
    let current = material('first')();
    const own = await endpoint({ tls: { listen: LISTEN, material: () => current } });
    const before = own.tls?.fingerprint();
    current = material('second')();
    const shown = await new Promise<string>((resolve) => {
      const socket = connectTls(
        { port: own.tls?.port ?? 0, host: '127.0.0.1', rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
          socket.destroy();
        },
      );
      socket.on('error', () => {});
    });
    expect(own.tls?.fingerprint()).toBe(`SHA-256 ${shown}`);
    expect(before).not.toBe(own.tls?.fingerprint());
  });
});

it.skipIf(!dnsServerAvailable())('a host name in a path is looked up [RFC 4975 §6.2]', async () => {
  const dns = await dnsServer({ hosts: ['client.test,127.0.0.1'] });
  const [server, client] = [await endpoint({ dnsServers: [dns.address] }), await endpoint()];
  const [ours, theirs] = [uri(server, 'p7k2m4qx9w'), `msrp://client.test:${client.port}/abcd;tcp`];
  client.acceptSession({ localUri: theirs, remotePath: [ours] });
  const push = server.connectSession({ localUri: ours, remotePath: [theirs] });
  expect(await push.bound).toMatchObject({ bound: true });
  expect(dns.asked()).toContain('A client.test');
  await dns.close();
});
