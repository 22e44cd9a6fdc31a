import { renderSipDate } from '../../wire/sip/date.ts';
import { addressOfRecord, freshToken, productOf } from './identity.ts';
import { openSipStack, type ServerAddress, type UaAnswer } from './sip-stack.ts';

export interface SendOptions {
  readonly server: ServerAddress;
  /** Where to send from; default: loopback to a loopback server, else every interface. */
  readonly listen?: { readonly host: string; readonly port?: number };
  /** User parts of `domain`, or whole URIs. */
  readonly from: string;
  readonly to: string;
  readonly domain: string;
  /** The texts to send, or how many numbered ones. */
  readonly bodies: readonly string[] | number;
  readonly contentType?: string;
  readonly subject?: string;
  /** Validity in seconds (RFC 3428 §7). */
  readonly expires?: number;
  /** Further headers, such as Priority or Privacy; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly version?: string;
  readonly onAnswer?: (answer: SentMessage) => void;
}

export interface SentMessage {
  readonly callId: string;
  /** 202: stored for later; 408: no answer. */
  readonly status: number;
  readonly reason: string;
  /** From asking to the final answer. */
  readonly ms: number;
}

/**
 * Sends SIP MESSAGEs one after another, as RFC 3428 §8 wants towards one recipient, and resolves
 * with what became of each, in order.
 */
export async function sendMessages(options: SendOptions): Promise<readonly SentMessage[]> {
  const { server, bodies, onAnswer } = options;
  const host = /^(?:127\.|localhost$)/.test(server.host) ? '127.0.0.1' : '0.0.0.0';
  const stack = await openSipStack({ server, listen: options.listen ?? { host } });
  const texts =
    typeof bodies === 'number'
      ? Array.from({ length: bodies }, (_, index) => `message ${index + 1} of ${bodies}`)
      : bodies;
  const sent: SentMessage[] = [];
  try {
    for (const text of texts) {
      const callId = freshToken();
      const answer: UaAnswer = await stack.request(messageOf(options, text, callId));
      const message = { callId, ...answer };
      sent.push(message);
      onAnswer?.(message);
    }
  } finally {
    stack.close();
  }
  return sent;
}

function messageOf(options: SendOptions, text: string, callId: string) {
  const { from, to, domain, subject, expires, contentType = 'text/plain;charset=UTF-8' } = options;
  const recipient = addressOfRecord(to, domain);
  return {
    method: 'MESSAGE',
    uri: recipient,
    headers: {
      'max-forwards': '70',
      from: `<${addressOfRecord(from, domain)}>;tag=${freshToken().slice(0, 8)}`,
      to: `<${recipient}>`,
      'call-id': callId,
      cseq: '1 MESSAGE',
      'accept-contact': '*;+g.oma.sip-im',
      'user-agent': productOf(options.version),
      date: renderSipDate(Date.now()),
      ...(expires === undefined ? {} : { expires: String(expires) }),
      ...(subject === undefined ? {} : { subject }),
      ...options.headers,
      'content-type': contentType,
    },
    body: new TextEncoder().encode(text),
  };
}
