import { BlockList, isIP, isIPv4 } from 'node:net';

interface Subnet {
  readonly address: string;
  readonly prefixBits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** RFC 4291 §2.5.5.2: an IPv4 address as an IPv6 socket sees it. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const MAPPED_PREFIX_BITS = 96;
/** Answers remembered: a check costs as much as parsing a request, and peers are few. */
const ADDRESSES_MAX = 4_096;

/** Reads `ADDRESS/PREFIX`, or one address by itself; `undefined` when it is neither. */
function parseCidr(text: string): Subnet | undefined {
  const [, address = '', digits] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const bits = isIPv4(address) ? 32 : 128;
  const prefixBits = digits === undefined ? bits : Number(digits);
  if (prefixBits > bits) return undefined;
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined && isIPv4(mapped) && prefixBits >= MAPPED_PREFIX_BITS) {
    return { address: mapped, prefixBits: prefixBits - MAPPED_PREFIX_BITS, family: 'ipv4' };
  }
  return { address, prefixBits, family: bits === 32 ? 'ipv4' : 'ipv6' };
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address by itself. */
export function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined;
}

/** A host name in the certificate of a TLS peer (RFC 5922 §7.1): `tls:core.example.org`. */
const TLS_NAME = /^tls:([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/i;

/** One item of `trust`: a network, or the name of a TLS peer. */
export function isTrust(text: string): boolean {
  return TLS_NAME.test(text) || isCidr(text);
}

/** Tells whether a name of a verified certificate is one of those that are trusted. */
export function trustedNames(trust: readonly string[]): (name: string) => boolean {
  const names = new Set(trust.flatMap((text) => TLS_NAME.exec(text)?.[1]?.toLowerCase() ?? []));
  return (name) => names.has(name.toLowerCase());
}

/** The networks among the items of `trust`. */
export function trustedNetworks(trust: readonly string[]): readonly string[] {
  return trust.filter((text) => !TLS_NAME.test(text));
}

/**
 * Tells whether an address, as a socket reports it, is in one of the networks. An IPv4-mapped IPv6
 * address counts as the IPv4 address, a zone (`%eth0`) is passed over, and what is no address is
 * not trusted.
 *
 * @throws RangeError when one is no CIDR: check with `isCidr` first
 */
export function trustedPeers(cidrs: readonly string[]): (address: string) => boolean {
  const networks = new BlockList();
  for (const text of cidrs) {
    const subnet = parseCidr(text);
    if (!subnet)
      throw new RangeError(`${text} is no network such as 192.0.2.0/24 or 2001:db8::/32`);
    networks.addSubnet(subnet.address, subnet.prefixBits, subnet.family);
  }
  const looked = new Map<string, boolean>();
  const look = (reported: string): boolean => {
    const zone = reported.indexOf('%');
    const address = zone < 0 ? reported : reported.slice(0, zone);
    const version = isIP(address);
    if (version === 0) return false;
    const mapped = MAPPED.exec(address)?.[1];
    if (mapped !== undefined) return networks.check(mapped, 'ipv4');
    return networks.check(address, version === 4 ? 'ipv4' : 'ipv6');
  };
  return (reported) => {
    const known = looked.get(reported);
    if (known !== undefined) return known;
    if (looked.size >= ADDRESSES_MAX) looked.clear();
    const trusted = look(reported);
    looked.set(reported, trusted);
    return trusted;
  };
}
