/** What of a request is believed, over any request. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { believed } from '../../../src/adapters/sip/access/believed.ts';
import { parseSip, renderSip, type SipMessage } from '../../../src/wire/sip/message.ts';
import { holds } from '../../controls/properties.ts';
import { headerValue, sipParts } from '../../wire/sip/sip-arbitraries.ts';

const numRuns = process.env.RESTANTE_VERIFY ? 10_000 : 300;
const account = 'sip:bob@example.org';
/** However they are written. */
const NETWORK = ['P-Asserted-Identity', 'p-asserted-identity', 'P-ASSERTED-Service'];
const SECRET = ['Authorization', 'Proxy-authorization', 'P-Charging-Vector', 'Remote-Party-ID'];

const requests = fc
  .tuple(
    sipParts.filter(({ start }) => start.kind === 'request'),
    fc.array(fc.tuple(fc.constantFrom(...NETWORK, ...SECRET), headerValue), { maxLength: 6 }),
    fc.nat(),
  )
  .map(([parts, added, at]) => {
    const headers = [...parts.headers];
    for (const header of added) headers.splice(at % (headers.length + 1), 0, header);
    const parsed = parseSip(renderSip({ ...parts, headers }), 'exact');
    if (parsed.kind === 'message') return parsed.message;
    throw new Error(parsed.reason);
  });

const isTaken = (name: string) =>
  /^(p-asserted-|p-charging-|remote-party-|(proxy-)?authoriz)/.test(name);

function lines(message: SipMessage): readonly string[] {
  const { octets } = message;
  return message.fields.map(({ start, end }) => new TextDecoder().decode(octets.slice(start, end)));
}

test('of a client: all but what the network says and its credentials, and who it is', () => {
  const law = fc.property(requests, (request) => {
    const known = believed(request, { kind: 'client', account });
    expect(known.start).toEqual(request.start);
    expect(known.all('p-asserted-identity')).toEqual([`<${account}>`]);
    const kept = request.fields.map(({ name }, index) =>
      isTaken(name) ? '' : lines(request)[index],
    );
    expect(lines(known).slice(1)).toEqual(kept.filter((line) => line !== ''));
    expect(known.body).toEqual(request.body);
  });
  holds(law, numRuns);
});

test('of the other end of a dialog the same, and nothing is said of who it is', () => {
  const law = fc.property(requests, (request) => {
    const known = believed(request, { kind: 'dialog' });
    expect(known.fields.filter(({ name }) => isTaken(name))).toEqual([]);
    expect(known.body).toEqual(request.body);
  });
  holds(law, numRuns);
});

test('of the core: every octet', () => {
  const law = fc.property(requests, (request) => {
    expect(believed(request, { kind: 'core' })).toBe(request);
  });
  holds(law, numRuns);
});
