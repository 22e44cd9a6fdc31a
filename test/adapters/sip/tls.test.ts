/** SIP over TLS between two ends of ours, and against peers that are not what they should be. */
import { copyFileSync, readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Hop, responseHop } from '../../../src/wire/sip/hop.ts';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import { type Certificates, certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { requestOctets } from '../../controls/transaction-stage.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

type Stage = Awaited<ReturnType<typeof transportStage>>;
const LISTEN = ['tls://127.0.0.1:0'];
const octets = requestOctets('MESSAGE', 'z9hG4bKa');
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(...args: Parameters<typeof transportStage>): Promise<Stage> {
  const stage = await transportStage(...args);
  closing.push(() => stage.transports.close());
  return stage;
}

function hopTo(stage: Stage, serverName?: string): Hop {
  const port = stage.transports.listening[0]?.port ?? 0;
  const hop = { transport: 'tls', host: '127.0.0.1', port, local: '127.0.0.1:5061' } as const;
  return serverName === undefined ? hop : { ...hop, serverName };
}

/** A bare TLS client, whoever the server is; resolves when the handshake is over. */
async function client(stage: Stage, options: object = {}): Promise<TLSSocket> {
  const port = stage.transports.listening[0]?.port ?? 0;
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  closing.push(() => socket.destroy());
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
  return socket;
}

describe.skipIf(withoutOpenssl !== '')(`SIP over TLS [RFC 3261 §26.3.1]${withoutOpenssl}`, () => {
  let made: Certificates;
  let server: { certificate: string; key: string; ca: string };
  let peer: typeof server;
  beforeAll(() => {
    made = certificates();
    const { ca } = made;
    const san = 'DNS:sip.example.org,DNS:other.example.org,IP:127.0.0.1';
    server = { ...made.issue('server', { san }), ca };
    peer = { ...made.issue('peer', { san: 'URI:sip:core.example,DNS:peer.example' }), ca };
  });
  afterAll(() => made.remove());

  test('a request there, its response back, one connection for all', async () => {
    const alice = await open(LISTEN, { tls: server });
    const bob = await open([], { tls: peer });
    alice.onMessage = (message, source) => {
      void alice.transports.send(renderResponse(message, source, { status: 202 }), source);
    };
    const hop = hopTo(alice, 'sip.example.org');
    const sent = await Promise.all([1, 2].map(() => bob.transports.send(octets, hop)));
    expect(sent).toEqual([{ sent: true }, { sent: true }]);
    await until(() => bob.messages.length === 2);
    expect(alice.messages.map(({ message }) => message.octets)).toEqual([octets, octets]);
    expect(alice.messages[0]?.source).toMatchObject({
      transport: 'tls',
      host: '127.0.0.1',
      local: `127.0.0.1:${hop.port}`,
      peerNames: ['core.example'],
    });
    expect(bob.transports.counts().connectionsBy).toEqual({ tcp: 0, tls: 1, ws: 0, wss: 0 });
  });

  describe('who the server must be [RFC 5922 §7.3]', () => {
    test.each([
      ['its name', 'sip.example.org', true],
      ['its name in other case', 'SIP.Example.Org', true],
      ['another name', 'example.org', 'the certificate is for sip.example.org, other.example.org'],
      ['its address, when no name is wanted', undefined, true],
    ])('%s', async (_, name, verdict) => {
      const alice = await open(LISTEN, { tls: server });
      const bob = await open([], { tls: { ca: server.ca } });
      const result = await bob.transports.send(octets, hopTo(alice, name));
      if (verdict === true) expect(result).toEqual({ sent: true });
      else
        expect(result).toMatchObject({
          sent: false,
          reason: expect.stringContaining(`${verdict}`),
        });
      await until(() => alice.messages.length === (verdict === true ? 1 : 0));
      if (verdict !== true) await until(() => alice.transports.counts().connections === 0);
      expect(alice.messages).toHaveLength(verdict === true ? 1 : 0);
    });

    test('an address that the certificate does not name → not sent', async () => {
      const alice = await open(LISTEN, { tls: peer });
      const bob = await open([], { tls: { ca: server.ca } });
      expect(await bob.transports.send(octets, hopTo(alice))).toMatchObject({
        sent: false,
        reason: expect.stringContaining('does not name the address 127.0.0.1'),
      });
    });

    test.each([
      ['expired', /expired/],
      ['of a root that is not known', /self-signed certificate in/],
    ])('a certificate %s → not sent, and nothing of it left', async (what, reason) => {
      const expired = made.issue('old', { san: 'DNS:sip.example.org', expired: true });
      const alice = await open(LISTEN, { tls: what === 'expired' ? expired : server });
      const bob = await open([], { tls: what === 'expired' ? { ca: server.ca } : {} });
      const result = await bob.transports.send(octets, hopTo(alice, 'sip.example.org'));
      expect(result).toMatchObject({ sent: false, reason: expect.stringMatching(reason) });
      await until(() => alice.transports.counts().connections === 0);
      expect(alice.messages).toEqual([]);
      const told = alice.errors.map((error) => error.what);
      expect(told).toEqual(what === 'expired' ? [expect.stringContaining('expired on')] : []);
    });
  });

  describe('who the client is [RFC 5922 §7.4]', () => {
    test('nobody, and that is fine', async () => {
      const stage = await open(LISTEN, { tls: server });
      (await client(stage)).write(octets);
      await until(() => stage.messages.length === 1);
      expect(stage.messages[0]?.source).not.toHaveProperty('peerNames');
    });

    test('a certificate of another root → no names, told, and it goes on', async () => {
      const foreign = certificates();
      closing.push(() => foreign.remove());
      const { certificate, key } = foreign.issue('core', { san: 'URI:sip:core.example' });
      const stage = await open(LISTEN, { tls: server });
      const cert = readFileSync(certificate);
      (await client(stage, { cert, key: readFileSync(key) })).write(octets);
      await until(() => stage.messages.length === 1);
      expect(stage.messages[0]?.source).not.toHaveProperty('peerNames');
      expect(stage.refusals[0]?.refusal.reason).toMatch(/^certificate of the peer: /);
    });

    test('without roots of the operator no certificate is asked for', async () => {
      const { certificate, key } = server;
      const stage = await open(LISTEN, { tls: { certificate, key } });
      const bob = await open([], { tls: peer });
      expect(await bob.transports.send(octets, hopTo(stage, 'sip.example.org'))).toEqual({
        sent: true,
      });
      await until(() => stage.messages.length === 1);
      expect(stage.messages[0]?.source).not.toHaveProperty('peerNames');
    });
  });

  describe('which connection is used again', () => {
    test('one verified for another name of the same address is not [RFC 5922 §7.3]', async () => {
      const alice = await open(LISTEN, { tls: server });
      const bob = await open([], { tls: { ca: server.ca } });
      for (const name of ['sip.example.org', 'other.example.org', 'SIP.example.org']) {
        expect(await bob.transports.send(octets, hopTo(alice, name))).toEqual({ sent: true });
      }
      expect(bob.transports.counts().connections).toBe(2);
      const wrong = await bob.transports.send(octets, hopTo(alice, 'bank.example'));
      expect(wrong).toMatchObject({ sent: false });
    });

    test('the own connection of a client, and only for what belongs to it [RFC 5626 §5.3]', async () => {
      const stage = await open(LISTEN, { tls: server });
      const socket = await client(stage);
      socket.write(octets);
      await until(() => stage.messages.length === 1);
      const read: Buffer[] = [];
      socket.on('data', (chunk) => read.push(chunk));
      const { connection, ...at } = stage.messages[0]?.source ?? hopTo(stage);
      const back: Hop = connection === undefined ? at : { ...at, connection };
      expect(await stage.transports.send(octets, back)).toEqual({ sent: true });
      await until(() => Buffer.concat(read).length === octets.length);
      // It never proved a name, or its address: for either it must not be taken.
      for (const wanted of [{ ...at, serverName: 'core.example' }, at]) {
        expect(await stage.transports.send(octets, wanted)).toMatchObject({ sent: false });
      }
      expect(Buffer.concat(read)).toHaveLength(octets.length);
    });

    test('an answer whose connection is gone opens one to the same peer alone [RFC 3261 §18.2.2]', async () => {
      const stage = await open(LISTEN, { tls: server });
      const core = await open(LISTEN, { tls: peer });
      const request = requestOctets('OPTIONS', 'z9hG4bKgone', {
        Via: `SIP/2.0/TLS 127.0.0.1:${hopTo(core).port};branch=z9hG4bKgone`,
      });
      const identity = { cert: readFileSync(peer.certificate), key: readFileSync(peer.key) };
      const socket = await client(stage, identity);
      socket.write(request);
      await until(() => stage.messages.length === 1);
      socket.destroy();
      await until(() => stage.transports.counts().connections === 0);
      const { message, source } = stage.messages[0] ?? {};
      if (!message || !source) throw new Error('no request');
      const hop = responseHop(message, source);
      const answer = renderResponse(message, source, { status: 200 });
      expect(await stage.transports.send(answer, hop)).toEqual({ sent: true });
      await until(() => core.messages.length === 1);
      const other = await stage.transports.send(answer, { ...hop, serverName: 'bank.example' });
      expect(other).toMatchObject({ sent: false });
    });

    test('one that the peer opened, when it asked for it and proved its name [RFC 5923 §8.2]', async () => {
      const stage = await open(LISTEN, { tls: server });
      const identity = { cert: readFileSync(peer.certificate), key: readFileSync(peer.key) };
      const core = await client(stage, identity);
      const Via = 'SIP/2.0/TLS 127.0.0.1:4;alias;branch=z9hG4bKalias';
      core.write(requestOctets('OPTIONS', 'z9hG4bKalias', { Via }));
      await until(() => stage.messages.length === 1);
      expect(stage.messages[0]?.source.peerNames).toEqual(['core.example']);
      const to = { ...hopTo(stage, 'core.example'), port: 4 };
      expect(await stage.transports.send(octets, to)).toEqual({ sent: true });
      await new Promise((resolve) => core.once('data', resolve));
      const other = { ...to, serverName: 'peer.example' };
      expect(await stage.transports.send(octets, other)).toMatchObject({ sent: false });
    });
  });

  describe('peers that mean no good', () => {
    test('a handshake that does not end is closed after 10 s, others are served', async () => {
      const clock = simulatedClock();
      const stage = await open(LISTEN, { tls: server, clock });
      const { port } = hopTo(stage);
      const slow = connectTcp({ port, host: '127.0.0.1' }).on('error', () => {});
      closing.push(() => slow.destroy());
      slow.write(Buffer.from([22, 3, 1]));
      await until(() => stage.transports.counts().connections === 1);
      const good = await client(stage);
      clock.advance(9_000);
      good.write(octets);
      await until(() => stage.messages.length === 1);
      clock.advance(2_000);
      await until(() => stage.transports.counts().connections === 1);
      expect(stage.refusals.map(({ refusal }) => refusal.reason)).toEqual([
        'handshake not finished in time',
      ]);
      expect(stage.errors).toEqual([]);
    });

    test('no TLS at all, and TLS 1.1 → told and closed', async () => {
      const stage = await open(LISTEN, { tls: server });
      const { port } = hopTo(stage);
      const plain = connectTcp({ port, host: '127.0.0.1' }).on('error', () => {});
      closing.push(() => plain.destroy());
      plain.write(octets);
      await until(() => stage.refusals.length === 1);
      const versions = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } as const;
      await client(stage, { ...versions, ciphers: 'DEFAULT@SECLEVEL=0' });
      await until(() => stage.refusals.length === 2);
      await until(() => stage.transports.counts().connections === 0);
      for (const { refusal } of stage.refusals)
        expect(refusal.reason).toMatch(/^TLS handshake: ERR_SSL/);
    });

    test('strangers have few connections, handshakes included', async () => {
      const limits = { untrustedPerAddressMax: 2, vouchedMax: 1 };
      const stage = await open(LISTEN, { tls: server, limits, trusted: () => false });
      const { port } = hopTo(stage);
      const sockets = [1, 2, 3, 4].map(() => connectTcp({ port, host: '127.0.0.1' }));
      for (const socket of sockets) closing.push(() => socket.on('error', () => {}).destroy());
      await until(() => sockets.filter(({ closed }) => closed).length === 2);
      expect(stage.transports.counts().connections).toBe(2);
      for (const socket of sockets) socket.destroy();
      await until(() => stage.transports.counts().connections === 0);
      (await client(stage)).write(octets);
      await until(() => stage.messages.length === 1);
      // Who proved who it is makes room for others.
      stage.transports.vouch(stage.messages[0]?.source ?? hopTo(stage));
      (await client(stage)).write(octets);
      await client(stage);
      expect(stage.transports.counts().connections).toBe(3);
      // Not for all of them: the core must find room, too.
      await until(() => stage.messages.length === 2);
      stage.transports.vouch(stage.messages[1]?.source ?? hopTo(stage));
      expect((await client(stage)).destroyed).toBe(true);
    });

    test('who has a certificate of our roots is no stranger', async () => {
      const limits = { untrustedPerAddressMax: 1 };
      const stage = await open(LISTEN, { tls: server, limits, trusted: () => false });
      const identity = { cert: readFileSync(peer.certificate), key: readFileSync(peer.key) };
      for (let count = 1; count <= 3; count += 1) {
        (await client(stage, identity)).write(octets);
        await until(() => stage.messages.length === count);
      }
      expect(stage.transports.counts().connections).toBe(3);
    });

    test('no listener there → refused, with the peer named', async () => {
      const { transports } = await open([], { tls: { ca: server.ca } });
      const hop = { transport: 'tls', host: '127.0.0.1', port: 9, local: '' } as const;
      expect(await transports.send(octets, hop)).toMatchObject({
        sent: false,
        reason: expect.stringMatching('tls://127.0.0.1:9: .*ECONNREFUSED'),
      });
    });
  });

  test('files read anew: the next handshake sees them, connections go on', async () => {
    const first = made.issue('first', { san: 'DNS:sip.example.org' });
    const second = made.issue('second', { san: 'DNS:new.example.org' });
    const stage = await open(LISTEN, { tls: first });
    const before = await client(stage);
    expect(before.getPeerCertificate().subject.CN).toBe('first');
    copyFileSync(second.certificate, first.certificate);
    const bad = await stage.transports.reloadTls();
    expect(bad).toMatchObject({
      kind: 'failed',
      failures: [expect.stringContaining('does not match the certificate')],
    });
    expect((await client(stage)).getPeerCertificate().subject.CN).toBe('first');
    copyFileSync(second.key, first.key);
    expect(await stage.transports.reloadTls()).toEqual({ kind: 'reloaded' });
    expect((await client(stage)).getPeerCertificate().subject.CN).toBe('second');
    expect(stage.transports.counts().certificateUntilMs).toBeGreaterThan(Date.now());
    before.write(octets);
    await until(() => stage.messages.length === 1);
  });

  describe('files that cannot be used → what is wrong, and what to do', () => {
    const failuresOf = async (tls: object): Promise<string> => {
      const opening = transportStage(LISTEN, { tls });
      return opening.then(
        (stage) => stage.transports.close().then(() => 'it opened'),
        (error: Error) => error.message,
      );
    };
    test('none, missing, of another key, empty, encrypted', async () => {
      const { certificate, key } = server;
      const junk = made.file('junk.pem', 'junk');
      const locked = made.file('locked.pem', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n');
      const told = {
        none: await failuresOf({}),
        missing: await failuresOf({ certificate: '/nowhere.pem' }),
        noKey: await failuresOf({ certificate }),
        other: await failuresOf({ certificate, key: peer.key }),
        junk: await failuresOf({ certificate: junk, key }),
        locked: await failuresOf({ certificate, key: locked }),
        roots: await failuresOf({ certificate, key, ca: junk }),
      };
      expect(told.none).toContain('there is no certificate; name its files with tls-certificate');
      expect(told.missing).toMatch(/^cannot read \/nowhere.pem: ENOENT.*; correct tls-certificate/);
      expect(told.noKey).toContain(`${certificate} holds no private key`);
      expect(told.other).toBe(
        `the key in ${peer.key} does not match the certificate in ${certificate}; ` +
          'name the key that the certificate was made for',
      );
      expect(told.junk).toContain('holds no certificate');
      expect(told.locked).toContain('holds a key with a passphrase');
      expect(told.roots).toContain('holds no certificate; name a PEM file of roots');
    });
  });
});
