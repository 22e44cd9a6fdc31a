/** The whole server over TLS and WebSocket: hostile peers, and certificates read anew at SIGHUP. */
import { copyFileSync, readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import {
  type CertificateFiles,
  type Certificates,
  certificates,
  withoutOpenssl,
} from '../../controls/certificates.ts';
import { hostileRequest, plainOptions, SHAPE_NAMES } from '../../controls/scripted-peer-hostile.ts';
import { freePort, type Server, startServer } from '../../controls/server.ts';
import { type SipLine, sipLine } from '../../controls/sip-line.ts';
import { until } from '../../controls/transport-stage.ts';

const HOST = '127.0.0.1';
const STREAM_BYTES = 64 * 1024;

describe.skipIf(withoutOpenssl !== '')(`a running server${withoutOpenssl}`, () => {
  let made: Certificates;
  let files: CertificateFiles;
  let server: Server;
  let ports: { tls: number; ws: number; wss: number };
  let watch: SipLine;

  beforeAll(async () => {
    made = certificates();
    files = made.issue('first', { san: `IP:${HOST}` });
    const udp = await freePort();
    ports = { tls: await freePort(), ws: await freePort(), wss: await freePort() };
    const listen = Object.entries({ udp, ...ports }).map(
      ([name, port]) => `${name}://${HOST}:${port}`,
    );
    server = await startServer({
      sipPort: udp,
      args: [
        ...['--sip-listen', listen.join(','), '--tls-ca', made.ca],
        ...['--tls-certificate', files.certificate, '--tls-key', files.key],
      ],
    });
    watch = await sipLine({ transport: 'udp', host: HOST, port: udp });
  });
  afterAll(async () => {
    watch?.close();
    await server?.remove();
    made?.remove();
  });

  async function alive(token: string): Promise<void> {
    watch.send(plainOptions(`alive-${token}`, 'UDP').toString());
    expect(await watch.next()).toMatch(/^SIP\/2\.0 200 /);
  }

  async function handshake(): Promise<TLSSocket> {
    const socket = connectTls({ port: ports.tls, host: HOST, rejectUnauthorized: false });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    return socket;
  }

  test.each(['tls', 'ws', 'wss'] as const)('OPTIONS over %s', async (transport) => {
    const ca = readFileSync(made.ca, 'utf8');
    const line = await sipLine({ transport, host: HOST, port: ports[transport], ca });
    line.send(plainOptions(`o-${transport}`, transport.toUpperCase()).toString());
    expect(await line.next()).toMatch(/^SIP\/2\.0 200 /);
    line.close();
  });

  test.each(SHAPE_NAMES)('64 KiB of %s over TLS: others are served in between', async (shape) => {
    const token = `t-${shape.replaceAll(' ', '-')}`;
    const octets = hostileRequest(shape, { bytes: STREAM_BYTES, token, transport: 'TLS' });
    const socket = await handshake();
    for (let start = 0; start < octets.length; start += 7_919) {
      socket.write(octets.subarray(start, start + 7_919));
      await alive(`${token}${start}`);
    }
    socket.destroy();
  });

  test.each(SHAPE_NAMES)('64 KiB of %s over WebSocket: others are served', async (shape) => {
    const token = `w-${shape.replaceAll(' ', '-')}`;
    const octets = hostileRequest(shape, { bytes: STREAM_BYTES, token, transport: 'WS' });
    const socket = new WebSocket(`ws://${HOST}:${ports.ws}`, 'sip').on('error', () => {});
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(octets);
    await alive(token);
    socket.send('\r\n\r\n');
    await new Promise((resolve) => socket.once('message', resolve).once('close', resolve));
    socket.terminate();
  });

  test('noise on all three ports, and handshakes that end in the middle', async () => {
    for (const [index, port] of Object.values(ports).entries()) {
      for (const noise of ['', '\x16\x03\x01', 'GET / HTTP/1.1\r\n', 'x'.repeat(100_000)]) {
        const socket = connectTcp({ port, host: HOST }).on('error', () => {});
        socket.end(noise);
        await alive(`noise-${index}-${noise.length}`);
        socket.destroy();
      }
    }
  });

  test('SIGHUP: the next handshake has the new certificate; a bad file changes nothing', async () => {
    const second = made.issue('second', { san: `IP:${HOST}` });
    const before = await handshake();
    expect(before.getPeerCertificate().subject.CN).toBe('first');
    copyFileSync(second.key, files.key);
    server.process.kill('SIGHUP');
    await until(() => server.log().includes('does not match the certificate'));
    expect((await handshake()).getPeerCertificate().subject.CN).toBe('first');
    copyFileSync(second.certificate, files.certificate);
    server.process.kill('SIGHUP');
    await until(() => server.log().includes('tlsReloaded'));
    expect((await handshake()).getPeerCertificate().subject.CN).toBe('second');
    before.write(plainOptions('after-reload', 'TLS'));
    const answer = await new Promise((resolve) => before.once('data', resolve));
    expect(String(answer)).toMatch(/^SIP\/2\.0 200 /);
  });

  test('none of it is a fault, but for the bad file', () => {
    const faults = server
      .log()
      .split('\n')
      .filter((entry) => /"level":"(error|fatal)"/.test(entry));
    expect(faults).toEqual([expect.stringContaining('the files of TLS stay as they were')]);
  });
});
