/** What peers are told of our end, in both families and on every transport. */
import { describe, expect, test } from 'vitest';
import { hostDigest } from '../../../src/adapters/host/digest.ts';
import { type OwnIdentity, ownIdentity } from '../../../src/adapters/sip/own-identity.ts';
import { viaOf } from '../../../src/adapters/sip/push/push-requests.ts';
import type { Hop } from '../../../src/wire/sip/hop.ts';
import { parseUri } from '../../../src/wire/sip/uri.ts';
import { parseVia } from '../../../src/wire/sip/via.ts';

function identity(advertise?: string): OwnIdentity {
  return ownIdentity({
    imAddress: 'sip:im-store@example.org',
    product: 'test',
    host: 'im.example.org',
    digest: hostDigest,
    secret: new Uint8Array(32),
    random: (octets) => new Uint8Array(octets),
    ...(advertise === undefined ? {} : { advertise }),
  });
}

describe('our Contact and Via', () => {
  test.each([
    ['udp', '192.0.2.1:5060', 'UDP', 'udp'],
    ['tcp', '[2001:db8::1]:5060', 'TCP', 'tcp'],
    ['tls', '[2001:db8::1]:5061', 'TLS', 'tls'],
    ['ws', '192.0.2.1:80', 'WS', 'ws'],
    // RFC 7118 §5.2.2: a URI says ws, whatever is below it.
    ['wss', '[2001:db8::1]:443', 'WSS', 'ws'],
  ] as const)('%s at %s', (transport, local, inVia, inUri) => {
    const hop: Hop = { transport, host: '2001:db8::2', port: 5060, local };
    const [via] = parseVia(`${viaOf(hop)};branch=z9hG4bK1`) ?? [];
    expect(via).toMatchObject({ transport: inVia, port: Number(local.split(':').at(-1)) });
    const uri = parseUri(/<(.*)>/.exec(identity().contact(hop))?.[1] ?? '');
    expect(`${uri?.host}:${uri?.port}`).toBe(local);
    expect(`${via?.host}:${via?.port}`).toBe(local);
    expect(uri?.params.get('transport')).toBe(inUri);
  });
});

describe('an address to advertise stands for those of its family', () => {
  test.each([
    ['198.51.100.1', '10.0.0.1:5060', '198.51.100.1:5060'],
    ['198.51.100.1', '[fd00::1]:5060', '[fd00::1]:5060'],
    ['198.51.100.1', '[::]:5060', '198.51.100.1:5060'],
    ['2001:db8::1', '[fd00::1]:5061', '[2001:db8::1]:5061'],
    ['2001:db8::1', '10.0.0.1:5061', '10.0.0.1:5061'],
    ['2001:db8::1', '0.0.0.0:5061', '[2001:db8::1]:5061'],
  ])('%s at %s: %s', (advertise, local, told) => {
    const { advertised } = identity(advertise);
    expect(advertised(local)).toBe(told);
    expect(advertised(told)).toBe(told);
  });
});
