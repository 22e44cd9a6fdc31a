/**
 * The sender of the wire fixtures b1…b8: what they say is sent as it stands, but for what mirrors
 * the server's answer, and the hop where the server could not reach what they name.
 */
import { adapted, fixture, headerOf } from './scripted-peer-flow.ts';

/** Where the sender's proxy is; absent: as the fixtures have it, over TCP. */
export interface Hop {
  readonly transport: 'udp' | 'tcp';
  readonly port: number;
}

export interface LargeScript {
  readonly invite: string;
  /** Each of them mirrors our 200 to the INVITE. */
  ack(answer: string): string;
  /** The chunks b4 and b6. */
  sends(answer: string): readonly [string, string];
  bye(answer: string): string;
}

const VIA = 'SIP/2.0/TCP scscf1.example.org:5060;branch';
const RECORD_ROUTE = '<sip:scscf1.example.org:5060;transport=tcp;lr>';
const SESSION = 'msrp://192.0.2.50:2855/rx8c1v0n3z;tcp';
const TARGET = 'sip:im-store@im.example.org:5060;transport=tcp';

/** Body of the message that b4 and b6 bring. */
export const LARGE_BODY = ['b4_SEND_1', 'b6_SEND_2'].map((name) => bodyOf(fixture(name))).join('');

/** What the fixtures say, as it is said by this hop. */
export function byHop(text: string, hop: Hop | undefined): string {
  if (hop === undefined) return text;
  const { transport, port } = hop;
  // Answers go to where the request came from, and to this port (RFC 3261 §18.2.2).
  const via = `SIP/2.0/${transport.toUpperCase()} scscf1.example.org:${port};branch`;
  const route = `<sip:127.0.0.1:${port};transport=${transport};lr>`;
  return text.replaceAll(VIA, via).replaceAll(RECORD_ROUTE, route);
}

export function largeScript(hop?: Hop): LargeScript {
  const mirrored = (name: string, answer: string) =>
    byHop(
      adapted(fixture(name), [
        ['im-e240', tagOf(answer)],
        [TARGET, /<([^>]*)>/.exec(headerOf(answer, 'Contact'))?.[1] ?? ''],
      ]),
      hop,
    );
  return {
    invite: byHop(fixture('b1_INVITE_large'), hop),
    ack: (answer) => mirrored('b3_ACK', answer),
    sends(answer) {
      const session = [[SESSION, pathOf(answer)]] as const;
      return [adapted(fixture('b4_SEND_1'), session), adapted(fixture('b6_SEND_2'), session)];
    },
    bye: (answer) => mirrored('b8_BYE', answer),
  };
}

export function tagOf(answer: string): string {
  return /;tag=([^;]+)$/.exec(headerOf(answer, 'To'))?.[1] ?? '';
}

/** The MSRP URI of a description. */
export function pathOf(text: string): string {
  return /^a=path:(\S+)/m.exec(text)?.[1] ?? '';
}

/** Behind the empty line; of an MSRP request without its end-line. */
export function bodyOf(text: string): string {
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  return text.startsWith('MSRP ') ? body.replace(/\r\n-------[^\r\n]+\r\n$/, '') : body;
}
