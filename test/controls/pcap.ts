import type { Packet } from './scripted-peer.ts';

/** Classic pcap, little endian, microseconds; LINKTYPE_RAW: packets begin with their IP header. */
const MAGIC = 0xa1b2c3d4;
const LINKTYPE_RAW = 101;
const SNAP_BYTES = 0x4_0000;
const IPV4_HEADER_BYTES = 20;
const PROTOCOL = { udp: 17, tcp: 6 } as const;
const [FIN_ACK, SYN, SYN_ACK, ACK, PSH_ACK] = [0x11, 0x02, 0x12, 0x10, 0x18];
/** What fits into one IPv4 packet behind its header and that of TCP. */
const SEGMENT_BYTES_MAX = 65_535 - 40;

interface Segment {
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
}

function udpHeader({ from, to, octets }: Packet): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(from.port, 0);
  header.writeUInt16BE(to.port, 2);
  // The checksum stays 0, which says that there is none (RFC 768).
  header.writeUInt16BE(8 + octets.length, 4);
  return header;
}

function tcpHeader({ from, to }: Packet, { sequence, acknowledged, flags }: Segment): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(from.port, 0);
  header.writeUInt16BE(to.port, 2);
  header.writeUInt32BE(sequence, 4);
  header.writeUInt32BE(flags === SYN ? 0 : acknowledged, 8);
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(flags, 13);
  header.writeUInt16BE(0xffff, 14);
  return header;
}

function ipv4Header({ transport, from, to }: Packet, payloadBytes: number): Buffer {
  const header = Buffer.alloc(IPV4_HEADER_BYTES);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(IPV4_HEADER_BYTES + payloadBytes, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(PROTOCOL[transport], 9);
  for (const [index, octet] of from.host.split('.').entries()) {
    header.writeUInt8(Number(octet), 12 + index);
  }
  for (const [index, octet] of to.host.split('.').entries()) {
    header.writeUInt8(Number(octet), 16 + index);
  }
  return header;
}

/**
 * A capture of what a peer saw, with IP, UDP and TCP headers made up around it: no privilege to
 * capture is needed. Each connection begins with a handshake, so that a dissector follows it.
 */
export function pcapOf(packets: readonly Packet[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(SNAP_BYTES, 16);
  head.writeUInt32LE(LINKTYPE_RAW, 20);
  const parts: Buffer[] = [head];
  /** Octets that went from one end to the other, by both. */
  const sent = new Map<string, number>();

  function put(packet: Packet, transport: Buffer): void {
    const frame = Buffer.concat([
      ipv4Header(packet, transport.length + packet.octets.length),
      transport,
      packet.octets,
    ]);
    const record = Buffer.alloc(16);
    // One millisecond a packet: what counts is the order.
    record.writeUInt32LE(Math.floor(parts.length / 1000), 0);
    record.writeUInt32LE((parts.length % 1000) * 1000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    parts.push(record, frame);
  }

  function segment(packet: Packet, flags: number): void {
    const { from, to, octets } = packet;
    const [there, back] = [`${from.port} ${to.port}`, `${to.port} ${from.port}`];
    const sequence = sent.get(there) ?? 0;
    put(packet, tcpHeader(packet, { sequence, acknowledged: sent.get(back) ?? 0, flags }));
    const counted = flags === SYN || flags === SYN_ACK || flags === FIN_ACK ? 1 : octets.length;
    sent.set(there, sequence + counted);
  }

  for (const packet of packets) {
    if (packet.transport === 'udp') {
      put(packet, udpHeader(packet));
      continue;
    }
    const { from, to, octets } = packet;
    if (!sent.has(`${from.port} ${to.port}`)) {
      const nothing = Buffer.alloc(0);
      segment({ ...packet, octets: nothing }, SYN);
      segment({ transport: 'tcp', from: to, to: from, octets: nothing }, SYN_ACK);
      segment({ ...packet, octets: nothing }, ACK);
    }
    for (let start = 0; start < octets.length; start += SEGMENT_BYTES_MAX) {
      const piece = octets.subarray(start, start + SEGMENT_BYTES_MAX);
      segment({ ...packet, octets: piece }, PSH_ACK);
    }
  }
  return Buffer.concat(parts);
}
