/** Peers that take connections and give nothing back. */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { admission } from '../../../src/adapters/sip/transport/admission.ts';
import { TRANSPORT_LIMITS } from '../../../src/adapters/sip/transport/transport-contract.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { requestOctets } from '../../controls/transaction-stage.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

type Stage = Awaited<ReturnType<typeof transportStage>>;
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(options: Parameters<typeof transportStage>[1]): Promise<Stage> {
  const stage = await transportStage(['tcp://127.0.0.1:0'], options);
  closing.push(() => stage.transports.close());
  return stage;
}

async function client(stage: Stage, localAddress = '127.0.0.1'): Promise<Socket> {
  const port = stage.transports.listening[0]?.port ?? 0;
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  closing.push(() => socket.destroy());
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

const octets = requestOctets('MESSAGE', 'z9hG4bKa');

test('a peer that never reads is closed after idleMs, what waits for it notwithstanding', async () => {
  const clock = simulatedClock();
  const stage = await open({ clock, limits: { idleMs: 120_000 } });
  const socket = await client(stage);
  socket.pause();
  socket.write(octets);
  await until(() => stage.messages.length === 1);
  const source = stage.messages[0]?.source;
  if (source === undefined) throw new Error('no source');
  const lost: boolean[] = [];
  const big = new Uint8Array(4 * 1024 * 1024);
  // The kernel takes some megabytes before octets wait in the process.
  for (let count = 0; count < 5; count += 1) {
    void stage.transports.send(big, source).then(({ sent }) => lost.push(!sent));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  clock.advance(121_000);
  await until(() => stage.transports.counts().connections === 0);
  await until(() => lost.length === 5);
  expect(lost).toContain(true);
});

test('untrusted peers have few connections, from one address and all together', async () => {
  const limits = { connectionsMax: 10, untrustedMax: 3, untrustedPerAddressMax: 2 };
  const stage = await open({ limits, trusted: (address) => address === '127.0.0.9' });
  const count = (connections: number) =>
    until(() => stage.transports.counts().connections === connections);
  const first = await client(stage, '127.0.0.1');
  await client(stage, '127.0.0.1');
  await count(2);
  const third = await client(stage, '127.0.0.1');
  await new Promise((resolve) => third.once('close', resolve));
  expect(stage.errors.map(({ what }) => what)).toEqual([
    'connection refused: there are 2 from this untrusted address',
  ]);
  await client(stage, '127.0.0.2');
  await count(3);
  const fourth = await client(stage, '127.0.0.3');
  await new Promise((resolve) => fourth.once('close', resolve));
  for (let core = 0; core < 4; core += 1) await client(stage, '127.0.0.9');
  await count(7);
  first.destroy();
  await count(6);
  await client(stage, '127.0.0.3');
  await count(7);
});

test('of IPv6 a network counts as one address: its addresses are no scarce good [RFC 6177 §2]', () => {
  const limits = { ...TRANSPORT_LIMITS, untrustedPerAddressMax: 2 };
  const { admit } = admission(limits, () => false);
  const first = admit('2001:db8:0:7::1', 0);
  expect(admit('2001:db8:0:7:ffff::2', 1)).toHaveProperty('leave');
  expect(admit('2001:db8:0:7:8::3', 2)).toHaveProperty('why');
  expect(admit('2001:db8:0:8::1', 2)).toHaveProperty('leave');
  if ('leave' in first) first.leave();
  expect(admit('2001:db8:0:7:8::3', 2)).toHaveProperty('leave');
});

test('refused connections are told once in a while, with their number', async () => {
  const clock = simulatedClock();
  const stage = await open({ clock, limits: { connectionsMax: 0 } });
  const refused = async () => {
    const socket = await client(stage);
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  };
  for (let count = 0; count < 5; count += 1) await refused();
  clock.advance(10_000);
  await refused();
  expect(stage.errors.map(({ what }) => what)).toEqual([
    'connection refused: there are 0 already',
    'connection refused: there are 0 already (and 4 more since this was last said)',
  ]);
});
