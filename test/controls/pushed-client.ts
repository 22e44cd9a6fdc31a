/** A client that is called to take its messages, whose every answer a test decides. */
import type { Line } from './scripted-peer.ts';
import { headerOf } from './scripted-peer-flow.ts';
import { register, sipRequest } from './sip-agent-stage.ts';

export interface ClientAnswer {
  /** Of the dialog; default: `ue`. */
  readonly tag?: string;
  readonly headers?: readonly string[];
  readonly sdp?: string;
  /** Replaces the CSeq number that is mirrored. */
  readonly cseq?: string;
}

export interface PushedClient {
  readonly contact: string;
  /** An answer that takes the push. */
  readonly sdp: string;
  /** A message waits and the client registers: the INVITE. */
  invited(): Promise<string>;
  next(): Promise<string>;
  /** Answers a request; its Contact is said where the answer names none. */
  answer(request: string, status: string, content?: ClientAnswer): void;
}

export function pushedClient(line: Line): PushedClient {
  const contact = `<sip:alice@127.0.0.1:${line.local.port}>;+g.oma.sip-im`;
  const next = async () => String(await line.next());
  const sdp = [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...['m=message 7394 TCP/MSRP *', 'a=accept-types:*', 'a=recvonly', 'a=setup:passive'],
    ...['a=path:msrp://127.0.0.1:7394/abc;tcp', ''],
  ].join('\r\n');

  return {
    contact,
    sdp,
    next,
    async invited() {
      line.send(sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
      await next();
      line.send(register('r1', { Contact: contact }));
      await next();
      return next();
    },
    answer(request, status, content = {}) {
      const { headers = [] } = content;
      const named = headers.some((header) => header.startsWith('Contact:'));
      const own = named ? headers : [`Contact: ${contact}`, ...headers];
      line.send(answerOf(request, status, { ...content, headers: own }));
    },
  };
}

/** A response to a request of the server; an empty Contact stands for none. */
export function answerOf(request: string, status: string, content: ClientAnswer = {}): string {
  const { tag = 'ue', headers = [], sdp = '' } = content;
  const mirrored = ['Via', 'From', 'Call-ID'].map((name) => `${name}: ${headerOf(request, name)}`);
  const to = headerOf(request, 'To');
  return [
    ...[`SIP/2.0 ${status}`, ...mirrored, `CSeq: ${content.cseq ?? headerOf(request, 'CSeq')}`],
    `To: ${to}${to.includes(';tag=') || tag === '' ? '' : `;tag=${tag}`}`,
    ...headers.filter((header) => header !== 'Contact:'),
    ...(sdp === '' ? [] : ['Content-Type: application/sdp']),
    ...[`Content-Length: ${sdp.length}`, '', sdp],
  ].join('\r\n');
}
