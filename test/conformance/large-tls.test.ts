/** A message that is left over TLS at the running server: by its certificate, in its journal as such. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificates, certificates, withoutOpenssl } from '../controls/certificates.ts';
import { readLog } from '../controls/read-log.ts';
import { type ScriptedPeer, scriptedPeer } from '../controls/scripted-peer.ts';
import { headerOf } from '../controls/scripted-peer-flow.ts';
import { freePort, type Server, startServer } from '../controls/server.ts';
import { sipRequest } from '../controls/sip-agent-stage.ts';

const PATH = 'msrps://127.0.0.1:7394/senderssession;tcp';

describe.skipIf(withoutOpenssl !== '')(`MSRP over TLS${withoutOpenssl}`, () => {
  let files: Certificates;
  let server: Server;
  let peer: ScriptedPeer;
  let port: number;
  const pem = (name: string) => {
    const { certificate, key } = files.issue(name, { san: 'IP:127.0.0.1' });
    return { certificate, key, cert: readFileSync(certificate, 'utf8') };
  };
  const fingerprint = (cert: string | Buffer) => new X509Certificate(cert).fingerprint256;

  beforeAll(async () => {
    files = certificates();
    peer = scriptedPeer();
    port = await freePort();
    const own = pem('server');
    server = await startServer({
      args: [
        ...['--msrp-tls-listen', `127.0.0.1:${port}`, '--journal', 'full'],
        ...['--tls-certificate', own.certificate, '--tls-key', own.key],
      ],
    });
  });
  afterAll(async () => {
    peer?.close();
    await server?.remove();
    files?.remove();
  });

  it('the answer has msrps and our fingerprint, the sender is known by his [RFC 4975 §14.4] [RFC 8122 §5]', async () => {
    const client = pem('client');
    const line = await peer.datagrams(server.sipPort);
    const offer = [
      ...['v=0', 'o=bob 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
      ...['m=message 7394 TCP/TLS/MSRP *', 'a=sendonly', 'a=accept-types:*', 'a=setup:active'],
      ...[`a=path:${PATH}`, `a=fingerprint:SHA-256 ${fingerprint(client.cert)}`, ''],
    ].join('\r\n');
    const own = {
      Contact: `<sip:bob@127.0.0.1:${line.local.port}>;+g.oma.sip-im.large-message`,
      'Call-ID': 'tls1@example.org',
    };
    const typed = { ...own, 'Content-Type': 'application/sdp' };
    line.send(sipRequest('INVITE', 'inv1', typed, { body: offer }));
    let answer = String(await line.next());
    while (answer.startsWith('SIP/2.0 1')) answer = String(await line.next());
    expect(answer).toMatch(/^m=message \d+ TCP\/TLS\/MSRP \*\r$/m);
    const path = /^a=path:(\S+)/m.exec(answer)?.[1] ?? '';
    expect(path).toMatch(new RegExp(`^msrps://127\\.0\\.0\\.1:${port}/[0-9a-f]{32};tcp$`));
    const To = headerOf(answer, 'To');
    line.send(sipRequest('ACK', 'ack1', { ...own, To, CSeq: '1 ACK' }));

    const socket = connect({
      ...{ host: '127.0.0.1', port, rejectUnauthorized: false },
      ...{ cert: client.cert, key: readFileSync(client.key, 'utf8') },
    });
    const heard = new Promise<string>((resolve, reject) => {
      socket.once('data', (octets: Buffer) => resolve(octets.toString('latin1')));
      socket.once('error', reject);
      socket.once('close', () => reject(new Error(`closed unheard:\n${server.log()}`)));
    });
    socket.write(
      [
        ...['MSRP a1b2c3d4 SEND', `To-Path: ${path}`, `From-Path: ${PATH}`, 'Message-ID: m1234'],
        ...['Byte-Range: 1-5/5', 'Content-Type: text/plain', '', 'hello', '-------a1b2c3d4$', ''],
      ].join('\r\n'),
    );
    expect(await heard).toMatch(/^MSRP a1b2c3d4 200 /);
    const [, told] = /^a=fingerprint:SHA-256 (\S+)\r$/im.exec(answer) ?? [];
    expect(told?.toUpperCase()).toBe(fingerprint(socket.getPeerCertificate().raw));
    socket.destroy();
    line.send(sipRequest('BYE', 'bye1', { ...own, To, CSeq: '2 BYE' }));
    expect(String(await line.next())).toMatch(/^SIP\/2\.0 200 /);

    await server.kill('SIGTERM');
    const log = await readLog(server.data);
    expect(log.filter(({ type }) => type === 'MessageReleased')).toHaveLength(1);
    const msrp = log.flatMap(({ type, data }) => {
      const { protocol, transport } = data as { protocol?: string; transport?: string };
      return type.startsWith('Signal') && protocol === 'msrp' ? [transport] : [];
    });
    expect(msrp).toEqual(['tls', 'tls']);
  });
});
