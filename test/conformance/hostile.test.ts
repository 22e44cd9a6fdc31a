/** Peers that mean no good: the server answers the others all the while, and gains them nothing. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Line,
  msrpLength,
  type ScriptedPeer,
  scriptedPeer,
} from '../controls/scripted-peer.ts';
import { hostileRequest, plainOptions, SHAPE_NAMES } from '../controls/scripted-peer-hostile.ts';
import { type Server, startServer } from '../controls/server.ts';
import { simulatedClock } from '../controls/simulated-clock.ts';
import { requestOctets } from '../controls/transaction-stage.ts';
import { transportStage, until } from '../controls/transport-stage.ts';

/** The largest payload of UDP over IPv4. */
const DATAGRAM_BYTES = 65_507;
const STREAM_BYTES = 64 * 1024;

/** Reproducible octets (a linear congruential generator, Numerical Recipes). */
function garbage(bytes: number, seed: number): Buffer {
  let state = seed;
  return Buffer.from(
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

describe('peers that drip octets over TCP [RFC 3261 §26.1.5]', () => {
  it('are closed 32 s after the first octet of a message, while others are served', async () => {
    const clock = simulatedClock();
    const stage = await transportStage(['tcp://127.0.0.1:0'], { clock });
    const port = stage.transports.listening[0]?.port ?? 0;
    const sockets: Socket[] = [];
    const drippers = 40;
    try {
      const open = async (): Promise<Socket> => {
        const socket = connect({ port, host: '127.0.0.1' });
        socket.on('error', () => {});
        sockets.push(socket);
        await new Promise((resolve) => socket.once('connect', resolve));
        return socket;
      };
      const slow = await Promise.all(Array.from({ length: drippers }, open));
      const good = await open();
      await until(() => stage.transports.counts().connections === drippers + 1);
      const octets = requestOctets('OPTIONS', 'z9hG4bKdrip');
      for (let second = 0; second < 34; second += 1) {
        for (const socket of slow) socket.write(octets.subarray(second, second + 1));
        good.write(requestOctets('OPTIONS', `z9hG4bKgood${second}`));
        await until(() => stage.messages.length === second + 1);
        clock.advance(1_000);
      }
      await until(() => stage.transports.counts().connections === 1);
      const why = stage.errors.map(({ what }) => what);
      expect(why).toHaveLength(drippers);
      expect(new Set(why)).toEqual(
        new Set(['connection closed: a message was not complete within 32000 ms']),
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      await stage.transports.close();
    }
  });
});

describe('a running server', () => {
  let server: Server;
  let peer: ScriptedPeer;
  let watch: Line;
  beforeAll(async () => {
    server = await startServer();
    peer = scriptedPeer();
    watch = await peer.datagrams(server.sipPort);
  });
  afterAll(async () => {
    peer.close();
    await server.remove();
  });

  async function alive(token: string): Promise<void> {
    watch.send(plainOptions(`alive-${token}`, 'UDP'));
    expect(String(await watch.next())).toMatch(/^SIP\/2\.0 200 /);
  }

  it.each(SHAPE_NAMES)('64 KiB of %s over UDP: OPTIONS are answered in between', async (shape) => {
    const token = shape.replaceAll(' ', '-');
    const line = await peer.datagrams(server.sipPort);
    for (let round = 0; round < 4; round += 1) {
      const options = {
        bytes: DATAGRAM_BYTES,
        token: `${token}${round}`,
        transport: 'UDP',
      } as const;
      line.send(hostileRequest(shape, options));
      await alive(`${token}${round}`);
    }
  });

  it.each(SHAPE_NAMES)('64 KiB of %s over TCP: OPTIONS are answered in between', async (shape) => {
    const token = `t-${shape.replaceAll(' ', '-')}`;
    const line = await peer.connect(server.sipPort);
    const octets = hostileRequest(shape, { bytes: STREAM_BYTES, token, transport: 'TCP' });
    // In pieces that end anywhere, as a network cuts them.
    for (let start = 0; start < octets.length; start += 7_919) {
      line.send(octets.subarray(start, start + 7_919));
      await alive(`${token}${start}`);
    }
    line.close();
  });

  it('garbage on the MSRP port: closed or waited for, and the next peer is served', async () => {
    const openings = [
      '',
      'MSRP abcd SEND\r\n',
      'MSRP abcd SEND\r\nTo-Path: ',
      'MSRP abcd 200 OK\r\n',
    ];
    for (const [index, opening] of openings.entries()) {
      const line = await peer.connect(server.msrpPort, msrpLength);
      line.send(Buffer.concat([Buffer.from(opening), garbage(STREAM_BYTES, index + 1)]));
      await alive(`msrp-garbage-${index}`);
      // The head of a frame is bounded, and 64 KiB are beyond the bound.
      await until(() => line.closed);
    }
  });

  it('a SEND to no session of ours: 481, then closed [RFC 4975 §10.5]', async () => {
    const line = await peer.connect(server.msrpPort, msrpLength);
    line.send(
      [
        'MSRP f00dfacef00dface SEND',
        `To-Path: msrp://127.0.0.1:${server.msrpPort}/nosuchsession0000;tcp`,
        'From-Path: msrp://127.0.0.1:9/stranger00000000;tcp',
        'Message-ID: 12345678',
        'Byte-Range: 1-5/5',
        'Content-Type: text/plain',
        '',
        'hello',
        '-------f00dfacef00dface$\r\n',
      ].join('\r\n'),
    );
    expect(String(await line.next())).toMatch(/^MSRP f00dfacef00dface 481 /);
    await until(() => line.closed);
  });

  it('MSRP connections that name no session: 64 at most of one address are kept', async () => {
    const lines = await Promise.all(
      Array.from({ length: 160 }, () => peer.connect(server.msrpPort, msrpLength)),
    );
    await until(() => lines.filter(({ closed }) => closed).length === 96);
    await alive('half-open');
    expect(lines.filter(({ closed }) => !closed)).toHaveLength(64);
    for (const line of lines) line.close();
  });

  it('none of it left a fault in the log', () => {
    const faults = server
      .log()
      .split('\n')
      .filter((entry) => /"level":"(error|fatal)"/.test(entry));
    expect(faults).toEqual([]);
  });
});

describe('a server that trusts other networks', () => {
  let server: Server;
  let peer: ScriptedPeer;
  beforeAll(async () => {
    server = await startServer({ args: ['--trust', '10.0.0.0/8'] });
    peer = scriptedPeer();
  });
  afterAll(async () => {
    peer.close();
    await server.remove();
  });

  const METHODS = ['MESSAGE', 'REGISTER', 'INVITE', 'OPTIONS', 'SUBSCRIBE', 'BYE', 'CANCEL', 'ACK'];
  /** From the smallest request that can be read to one with much to mirror. */
  const request = (method: string, padding: number) =>
    [
      `${method} sip:a@example.org SIP/2.0`,
      `v:SIP/2.0/UDP h;rport;branch=z9hG4bK${method}${padding}`,
      'f:<sip:a@b>;tag=1',
      't:<sip:a@b>',
      `i:${method}${padding}`,
      `CSeq:1 ${method}`,
      'Max-Forwards:9',
      ...(padding > 0 ? [`s:${'x'.repeat(padding)}`] : []),
      '',
      '',
    ].join('\r\n');
  const UNREADABLE = [
    'OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP h;rport\r\n\r\n',
    'INVITE x SIP/2.0\r\n\r\n',
  ];

  it('one answer, never larger than what it answers, whatever the method and size', async () => {
    const asked: { method: string; padding: number; octets: string; line: Line }[] = [];
    for (const method of METHODS) {
      for (const padding of [0, 200, 1_000, 10_000]) {
        const line = await peer.datagrams(server.sipPort);
        const octets = request(method, padding);
        line.send(octets);
        asked.push({ method, padding, octets, line });
      }
    }
    // Later than Timer G, when a transaction would have repeated its answer to an INVITE.
    await new Promise((resolve) => setTimeout(resolve, 700));
    for (const { method, padding, octets, line } of asked) {
      const [answer, ...more] = line.received;
      expect(more, method).toEqual([]);
      expect(answer?.length ?? 0, method).toBeLessThanOrEqual(octets.length);
      // An ACK has no answer, and the smallest request has no room for one.
      const told = method !== 'ACK' && padding > 0;
      expect(answer?.toString().slice(0, 12), method).toBe(told ? 'SIP/2.0 403 ' : undefined);
    }
  });

  it.each(UNREADABLE)('%j: nothing larger comes back', async (text) => {
    const line = await peer.datagrams(server.sipPort);
    line.send(text);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(line.received.every(({ length }) => length <= text.length)).toBe(true);
  });

  it('a maddr aims no answer at others [RFC 3261 §18.2.2]', async () => {
    const line = await peer.datagrams(server.sipPort);
    const { port } = line.local;
    const victim = await peer.datagrams(server.sipPort, { host: '127.0.0.2', port });
    line.send(request('MESSAGE', 500).replace('h;rport', `h:${port};maddr=127.0.0.2`));
    expect(String(await line.next())).toMatch(/^SIP\/2\.0 403 /);
    expect(victim.received).toEqual([]);
  });

  it('port 0 in a Via, of a request or of what cannot be read: the server goes on', async () => {
    const line = await peer.datagrams(server.sipPort);
    const nowhere = request('OPTIONS', 900).replace('h;rport', '127.0.0.1:0');
    line.send(nowhere);
    line.send(nowhere.replace('CSeq:1', 'CSeq:one'));
    line.send(request('OPTIONS', 901));
    expect(String(await line.next())).toMatch(/^SIP\/2\.0 403 /);
    expect(server.process.exitCode).toBeNull();
    expect(server.log()).not.toMatch(/"level":"(error|fatal)"/);
  });

  it('the same request again: the same To tag [RFC 3261 §8.2.7]', async () => {
    const line = await peer.datagrams(server.sipPort);
    const tags: (string | undefined)[] = [];
    for (let time = 0; time < 2; time += 1) {
      line.send(request('MESSAGE', 500));
      tags.push(/^To: .*;tag=(\S+)/m.exec(String(await line.next()))?.[1]);
    }
    expect(tags[0]).toMatch(/^im-/);
    expect(tags[1]).toBe(tags[0]);
  });
});
