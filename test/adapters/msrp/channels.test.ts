/** The engine's port to MSRP: what is offered for a delivery, and what is left of it afterwards. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { msrpChannels } from '../../../src/adapters/msrp/channels.ts';
import { type MemorySink, memorySink } from '../../../src/wire/msrp/message-sink.ts';
import type { IncomingMessage } from '../../../src/wire/msrp/session.ts';
import { bind, closeEndpoints, endpoint, raw, text, uri } from './loopback.ts';

afterEach(closeEndpoints);

it('an offer that nobody answered is given up: its session id is unknown [RFC 4975 §10.8]', async () => {
  const server = await endpoint();
  const channels = msrpChannels({ endpoint: server, random: (octets) => randomBytes(octets) });
  const { sessionId } = channels.offer('d1');
  channels.close('d1');
  expect(await raw(server, bind(uri(server, sessionId)))).toContain('MSRP abcd 481 ');
  expect(channels.offer('d1').sessionId, 'another delivery, another secret').not.toBe(sessionId);
});

it('what is recorded of the path of a peer names no session, and still opens it [RFC 4975 §14.1]', async () => {
  const [server, client] = [await endpoint(), await endpoint()];
  const channels = msrpChannels({ endpoint: server, random: (octets) => randomBytes(octets) });
  const { sessionId } = channels.offer('d1');
  const got: string[] = [];
  const answer = uri(client, '2s93i9ek2a');
  client.acceptSession({
    localUri: answer,
    remotePath: [uri(server, sessionId)],
    on: {
      begin: memorySink,
      message({ sink, bytes }: IncomingMessage<MemorySink>, respond: (status: number) => void) {
        got.push(text(sink.octets(bytes)));
        respond(200);
      },
    },
  });
  const path = channels.conceal?.('d1', [answer]) ?? [];
  expect(path).toEqual([`msrp://127.0.0.1:${client.port}/2s93...;tcp`]);
  expect(channels.peer?.('d1'), 'not open yet').toBeUndefined();
  const lost: string[] = [];
  await new Promise<void>((bound) =>
    channels.open(
      'd1',
      { path, setup: 'passive' },
      {
        bound: () => bound(),
        lost: (reason) => lost.push(reason),
        takenBack() {},
      },
    ),
  );
  const message = {
    key: '1',
    messageId: 'm123',
    contentType: 'text/plain',
    body: Buffer.from('hi'),
  };
  expect(await channels.send('d1', message)).toEqual({ outcome: 'acknowledged' });
  expect([got, lost]).toEqual([['hi'], []]);
  expect(channels.peer?.('d1'), 'whole, to tell a refresh').toEqual({
    path: [answer],
    setup: 'passive',
  });
  channels.close('d1');
  expect(channels.peer?.('d1')).toBeUndefined();
});
