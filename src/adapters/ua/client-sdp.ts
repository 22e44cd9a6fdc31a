/** What a client needs of SDP to take a push: a reader and a writer of its own, line by line. */

export interface PushOffer {
  /** `a=path` of the server, leftmost first. */
  readonly path: readonly string[];
  /** Who of us connects by the offer (RFC 6135 §4.2); absent: the offerer. */
  readonly setup: string | undefined;
}

/** Reads the MSRP line of an offer; `undefined` when there is none to take a push by. */
export function readPushOffer(sdp: string): PushOffer | undefined {
  const lines = sdp.split(/\r?\n/);
  const start = lines.findIndex((line) => /^m=message [1-9]\d* TCP\/MSRP /.test(line));
  if (start === -1) return undefined;
  const after = lines.slice(start + 1);
  const end = after.findIndex((line) => line.startsWith('m='));
  const media = end === -1 ? after : after.slice(0, end);
  const attribute = (name: string) =>
    media.find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3);
  const path = attribute('path')?.trim().split(/ +/);
  return path === undefined ? undefined : { path, setup: attribute('setup')?.trim() };
}

export interface PushAnswer {
  /** IPv4 address. */
  readonly host: string;
  readonly port: number;
  /** Our MSRP URI. */
  readonly path: string;
  readonly setup: 'active' | 'passive';
  /** In octets. */
  readonly maxSize: number;
  /** Session and version of the o-line, equal as long as the answer is (RFC 3264 §8). */
  readonly origin: number;
}

/** The answer that takes a push: recvonly, with the types that a pushed body is made of. */
export function renderPushAnswer(answer: PushAnswer): Uint8Array {
  const { host, port, path, setup, maxSize, origin } = answer;
  return renderClientSdp({ host, port, origin }, [
    'a=recvonly',
    'a=accept-types:multipart/mixed text/plain',
    'a=accept-wrapped-types:message/sip message/sipfrag message/msrp',
    `a=setup:${setup}`,
    `a=max-size:${maxSize}`,
    `a=path:${path}`,
  ]);
}

/** One line of MSRP over TCP, with these attributes. */
export function renderClientSdp(
  at: Pick<PushAnswer, 'host' | 'port' | 'origin'>,
  attributes: readonly string[],
): Uint8Array {
  const { host, port, origin } = at;
  const lines = [
    'v=0',
    `o=restante-ua ${origin} ${origin} IN IP4 ${host}`,
    's=-',
    `c=IN IP4 ${host}`,
    't=0 0',
    `m=message ${port} TCP/MSRP *`,
    ...attributes,
    '',
  ];
  return new TextEncoder().encode(lines.join('\r\n'));
}
