/** The end of the transports, whatever their connections are in the middle of. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Hop, SipTransport } from '../../../src/wire/sip/hop.ts';
import { certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { requestOctets } from '../../controls/transaction-stage.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

const sockets: Socket[] = [];
afterAll(() => {
  for (const socket of sockets) socket.destroy();
});

const octets = requestOctets('MESSAGE', 'z9hG4bKa');
const LISTEN = ['tcp', 'tls', 'ws', 'wss'].map((transport) => `${transport}://127.0.0.1:0`);

test.skipIf(withoutOpenssl !== '')(
  `closing ends every connection at any stage of its life, and what waits is told${withoutOpenssl}`,
  async () => {
    const made = certificates();
    const tls = { ...made.issue('server', { san: 'IP:127.0.0.1' }), ca: made.ca };
    const stage = await transportStage(LISTEN, { tls });
    const ports = new Map(stage.transports.listening.map((at) => [at.transport, at.port]));
    const portOf = (transport: SipTransport): number => ports.get(transport) ?? 0;
    const keep = <Kept extends Socket>(socket: Kept): Kept => {
      sockets.push(socket.on('error', () => {}));
      return socket;
    };
    const raw = (transport: SipTransport): Socket =>
      keep(connectTcp(portOf(transport), '127.0.0.1'));
    const trust = { ca: readFileSync(made.ca), host: '127.0.0.1' };

    // Nothing said; half a message; half a handshake of each kind; no SIP; all that is read.
    raw('tcp');
    raw('tcp').write(octets.subarray(0, 40));
    raw('tcp').write('no SIP at all\r\n\r\n');
    raw('tls').write(Buffer.from([0x16, 3, 1, 2]));
    raw('ws').write('GET / HTTP/1.1\r\nUpgrade: websocket\r\n');
    raw('ws').write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    keep(connectTls({ ...trust, port: portOf('wss') }));
    keep(connectTls({ ...trust, port: portOf('tls') })).write(octets);
    const page = new WebSocket(`ws://127.0.0.1:${portOf('ws')}`, 'sip').on('error', () => {});
    await once(page, 'open');
    page.send(octets);
    page.close();
    const deaf = raw('tcp').pause();
    deaf.write(octets);
    await until(() => stage.messages.length === 3 && stage.transports.counts().connections >= 7);
    for (const { source } of stage.messages) {
      void stage.transports.send(new Uint8Array(3_000_000), source);
    }
    // One of ours, whose peer never says anything to its handshake.
    const mute = createServer(keep).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const at = mute.address();
    const port = typeof at === 'object' && at !== null ? at.port : 0;
    const hop: Hop = { transport: 'tls', host: '127.0.0.1', port, local: '' };
    const waits = stage.transports.send(octets, hop);
    await until(() => stage.transports.counts().connectionsBy.tls >= 3);

    await stage.transports.close();
    expect(await waits).toMatchObject({ sent: false });
    expect(stage.transports.counts().connections).toBe(0);
    expect(await stage.transports.send(octets, hop)).toMatchObject({ sent: false });
    await stage.transports.close();
    mute.close();
    made.remove();
  },
);
