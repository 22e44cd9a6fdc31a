import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type EndpointOptions,
  type MsrpEndpoint,
  openMsrpEndpoint,
} from '../../../src/adapters/msrp/endpoint.ts';
import type { Clock } from '../../../src/engine/ports.ts';
import type { IncomingMessage } from '../../../src/wire/msrp/session.ts';

const clock: Clock = {
  now: () => Date.now(),
  timer(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return () => clearTimeout(timeout);
  },
};
const open: MsrpEndpoint[] = [];

async function endpoint(options: Partial<EndpointOptions> = {}): Promise<MsrpEndpoint> {
  const made = await openMsrpEndpoint({
    listen: { host: '127.0.0.1', port: 0 },
    clock,
    random: (octets) => randomBytes(octets),
    ...options,
  });
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

function uri(of: MsrpEndpoint, id: string): string {
  const host = of.host.includes(':') ? `[${of.host}]` : of.host;
  return `msrp://${host}:${of.port}/${id};tcp`;
}

describe('two endpoints', () => {
  it('push 100 messages in order, each acknowledged once it was answered', async () => {
    const [server, client] = [await endpoint(), await endpoint()];
    const got: IncomingMessage[] = [];
    const paths = { server: uri(server, 'p7k2m4qx9w'), client: uri(client, '2s93i9ek2a') };
    client.acceptSession({
      localUri: paths.client,
      remotePath: [paths.server],
      on: {
        message(message, answer) {
          got.push(message);
          answer(200);
        },
      },
    });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    expect(await push.bound).toMatchObject({ bound: true, remote: `127.0.0.1:${client.port}` });
    const bodies = Array.from({ length: 100 }, (_, n) => Buffer.from(`message ${n}`));
    const outcomes = await Promise.all(
      bodies.map((body, n) =>
        push.send({ key: `${n}`, messageId: `m${n}.id`, contentType: 'text/plain', body }),
      ),
    );
    expect(new Set(outcomes.map((each) => each.outcome))).toEqual(new Set(['acknowledged']));
    expect(got.map((each) => Buffer.from(each.body).toString())).toEqual(
      bodies.map((body) => body.toString()),
    );
  });
});
