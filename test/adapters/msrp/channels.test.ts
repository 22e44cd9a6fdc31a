/** The engine's port to MSRP: what is offered for a delivery, and what is left of it afterwards. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { msrpChannels } from '../../../src/adapters/msrp/channels.ts';
import { bind, closeEndpoints, endpoint, raw, uri } from './loopback.ts';

afterEach(closeEndpoints);

it('an offer that nobody answered is given up: its session id is unknown [RFC 4975 §10.7]', async () => {
  const server = await endpoint();
  const channels = msrpChannels({ endpoint: server, random: (octets) => randomBytes(octets) });
  const { sessionId } = channels.offer('d1');
  channels.close('d1');
  expect(await raw(server, bind(uri(server, sessionId)))).toContain('MSRP abcd 481 ');
  expect(channels.offer('d1').sessionId, 'another delivery, another secret').not.toBe(sessionId);
});
