/** The MSRP media of a session description (RFC 4975 §8, RFC 6135), read. */
import { parse, type SessionDescription } from 'sdp-transform';
import { parseMsrpUri } from '../msrp/uri.ts';

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';
export type Setup = 'active' | 'passive' | 'actpass' | 'holdconn';

/** One m-line as an answer has to repeat it (RFC 3264 §6). */
export interface MediaLine {
  readonly type: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: string;
}

export interface MsrpMedia {
  /** 0: rejected. 9: an active peer that never listens (RFC 6135 §4.2). */
  readonly port: number;
  readonly protocol: 'TCP/MSRP' | 'TCP/TLS/MSRP';
  /** Of the media, else of the session, else `sendrecv`. */
  readonly direction: Direction;
  /** `a=path`, leftmost first; empty only when the port is 0. */
  readonly path: readonly string[];
  readonly acceptTypes: readonly string[];
  readonly acceptWrappedTypes: readonly string[];
  /** Absent: RFC 4975 §5.4, the offerer is active. */
  readonly setup?: Setup;
  /** Octets of a complete message. */
  readonly maxSize?: number;
  /** From `c=`; to be used only under CEMA, the path names the address otherwise. */
  readonly connectionAddress?: string;
  readonly msrpCema: boolean;
  /** `a=fingerprint` of the peer's certificate, of the media, else of the session (RFC 4572 §5). */
  readonly fingerprint?: string;
  /** RFC 5547: present in a file transfer. */
  readonly fileSelector?: string;
  readonly fileTransferId?: string;
  /** All media of the description, and which of them this one is. */
  readonly lines: readonly MediaLine[];
  readonly index: number;
}

export type MsrpMediaParsed =
  | { readonly kind: 'media'; readonly media: MsrpMedia }
  | { readonly kind: 'refusal'; readonly reason: string };

/** RFC 4975 §6: whether the path names what the m-line says, so that a connection can be opened. */
export function isReachable({ path, protocol }: Pick<MsrpMedia, 'path' | 'protocol'>): boolean {
  const { scheme, transport } = parseMsrpUri(path[0] ?? '') ?? {};
  const isSecure = protocol === 'TCP/TLS/MSRP';
  return transport?.toLowerCase() === 'tcp' && (scheme === 'msrps') === isSecure;
}

/** What a description of ours offers; `undefined`: there is none. */
export function protocolOf(description: Uint8Array | undefined): MsrpMedia['protocol'] {
  const text = new TextDecoder().decode(description);
  return /^m=message \d+ TCP\/TLS\/MSRP /m.test(text) ? 'TCP/TLS/MSRP' : 'TCP/MSRP';
}

/** Ours: a description with relays, files and candidates stays far below it. */
const SDP_BYTES_MAX = 16 * 1024;
const BARE_CR_OR_NUL = /\r(?!\n)|\0/;
const MEDIA_LINE = /^[A-Za-z0-9!#$%&'*+.^_`{|}~-]+ \d{1,5}(?:\/\d+)? \S+(?: \S+)*$/;

/** Reads the first usable `m=message` over MSRP; everything it lacks is a refusal with its reason. */
export function parseMsrpMedia(octets: Uint8Array): MsrpMediaParsed {
  if (octets.length > SDP_BYTES_MAX) return refusal(`an SDP of more than ${SDP_BYTES_MAX} octets`);
  const text = new TextDecoder().decode(octets);
  if (BARE_CR_OR_NUL.test(text)) return refusal('CR without LF, or NUL, in the SDP');
  if (!text.startsWith('v=0')) return refusal('the SDP does not begin with v=0 (RFC 8866 §5.1)');
  const mLines = text.match(/^m=.*$/gm) ?? [];
  // The library takes malformed m-lines and loses their type: they are judged before it sees them.
  if (mLines.some((line) => !MEDIA_LINE.test(line.slice(2).trimEnd()))) {
    return refusal('a malformed m= line (RFC 8866 §5.14)');
  }
  return read(parse(text));
}

function read(sdp: SessionDescription): MsrpMediaParsed {
  const lines = sdp.media.map(({ type, port, protocol, payloads }) => ({
    ...{ type, port, protocol },
    formats: String(payloads ?? '*'),
  }));
  const speaksMsrp = (line: MediaLine) =>
    line.type === 'message' && /^TCP\/(?:TLS\/)?MSRP$/i.test(line.protocol);
  const live = lines.findIndex((line) => speaksMsrp(line) && line.port !== 0);
  const index = live >= 0 ? live : lines.findIndex(speaksMsrp);
  const media = sdp.media[index];
  const line = lines[index];
  if (media === undefined || line === undefined) return refusal('no m=message over MSRP');
  if (lines.some(({ port }) => !Number.isInteger(port) || port < 0 || port > 65_535)) {
    return refusal('a media port beyond 65535');
  }
  const attribute = attributeReader(media.invalid ?? []);
  const path = words(attribute('path'));
  if (line.port !== 0) {
    if (path.length === 0) return refusal('no a=path (RFC 4975 §8.1)');
    if (path.some((uri) => parseMsrpUri(uri) === undefined)) {
      return refusal('a=path is not a list of MSRP URIs (RFC 4975 §6)');
    }
    if (attribute('accept-types') === undefined)
      return refusal('no a=accept-types (RFC 4975 §8.6)');
  }
  const setup = setupOf(media.setup ?? sdp.setup);
  const maxSize = /^\d{1,15}$/.exec(attribute('max-size') ?? '')?.[0];
  const connectionAddress = media.connection?.ip ?? sdp.connection?.ip;
  const { type, hash } = media.fingerprint ?? sdp.fingerprint ?? {};
  const fileSelector = attribute('file-selector');
  const fileTransferId = attribute('file-transfer-id');
  return {
    kind: 'media',
    media: {
      port: line.port,
      protocol: /TLS/i.test(line.protocol) ? 'TCP/TLS/MSRP' : 'TCP/MSRP',
      direction: media.direction ?? sdp.direction ?? 'sendrecv',
      path,
      acceptTypes: words(attribute('accept-types')),
      acceptWrappedTypes: words(attribute('accept-wrapped-types')),
      ...(setup === undefined ? {} : { setup }),
      ...(maxSize === undefined ? {} : { maxSize: Number(maxSize) }),
      ...(connectionAddress === undefined ? {} : { connectionAddress: String(connectionAddress) }),
      msrpCema: attribute('msrp-cema') !== undefined,
      ...(type === undefined || hash === undefined ? {} : { fingerprint: `${type} ${hash}` }),
      ...(fileSelector === undefined ? {} : { fileSelector }),
      ...(fileTransferId === undefined ? {} : { fileTransferId }),
      lines,
      index,
    },
  };
}

/**
 * The library leaves the attributes of MSRP unread, as `name` or `name:value`; one that is all digits
 * it makes a number, whatever its types say.
 */
function attributeReader(
  unread: readonly { readonly value: string }[],
): (name: string) => string | undefined {
  return (name) => {
    for (const value of unread.map((line) => String(line.value))) {
      if (value === name) return '';
      if (value.startsWith(`${name}:`)) return value.slice(name.length + 1).trim();
    }
    return undefined;
  };
}

function setupOf(value: string | undefined): Setup | undefined {
  switch (value) {
    case 'active':
    case 'passive':
    case 'actpass':
    case 'holdconn':
      return value;
    default:
      return undefined;
  }
}

function words(value: string | undefined): readonly string[] {
  return (value ?? '').split(' ').filter((word) => word !== '');
}

function refusal(reason: string): MsrpMediaParsed {
  return { kind: 'refusal', reason };
}
