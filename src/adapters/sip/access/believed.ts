import { parseSip, type SipMessage, withoutHeaders } from '../../../wire/sip/message.ts';
import type { Requester } from './requester.ts';

/**
 * Headers that only the network may write (RFC 3325 §5, RFC 7315 §4, RFC 5502, RFC 6050), the
 * identity that a client proposes, and its credentials, which are nobody else's.
 */
const NETWORK_HEADERS: ReadonlySet<string> = new Set([
  'p-asserted-identity',
  'p-asserted-service',
  'p-preferred-identity',
  'p-charging-vector',
  'p-charging-function-addresses',
  'p-visited-network-id',
  'p-called-party-id',
  'p-associated-uri',
  'p-served-user',
  'p-profile-key',
  'p-user-database',
  'p-private-network-indication',
  // Never a standard, but phones show it as the caller (draft-ietf-sip-privacy-04 §5).
  'remote-party-id',
  'authorization',
  'proxy-authorization',
]);

const LF = 10;
const encoder = new TextEncoder();

/**
 * The request as it may be kept and passed on: that of the core as it is; that of a client without
 * what only the network may say, and with the identity that the client has proved (RFC 3325 §5).
 */
export function believed(request: SipMessage, requester: Requester): SipMessage {
  if (requester.kind === 'core') return request;
  const octets = withoutHeaders(request, (name) => NETWORK_HEADERS.has(name));
  const line = requester.kind === 'client' ? `P-Asserted-Identity: <${requester.account}>\r\n` : '';
  const added = encoder.encode(line);
  const firstEnd = octets.indexOf(LF) + 1;
  const whole = new Uint8Array(octets.length + added.length);
  whole.set(octets.subarray(0, firstEnd));
  whole.set(added, firstEnd);
  whole.set(octets.subarray(firstEnd), firstEnd + added.length);
  const parsed = parseSip(whole, 'exact');
  if (parsed.kind === 'message') return parsed.message;
  throw new Error(`a request cannot be read without network headers: ${parsed.reason}`);
}
