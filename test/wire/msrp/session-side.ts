import { type MsrpRequest, msrpFramer } from '../../../src/wire/msrp/frame.ts';
import { type MemorySink, memorySink } from '../../../src/wire/msrp/message-sink.ts';
import { joinOctets } from '../../../src/wire/msrp/render.ts';
import {
  type MsrpSession,
  msrpSession,
  type SessionEvent,
  type SessionOptions,
} from '../../../src/wire/msrp/session.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';

export const SERVER = 'msrp://192.0.2.50:2855/p7k2m4qx9w;tcp';
export const CLIENT = 'msrp://192.0.2.17:7394/2s93i9ek2a;tcp';
export const octets = (text: string) => new TextEncoder().encode(text);
let serial = 0;
const random = (n: number) => Uint8Array.from({ length: n }, (_, i) => (++serial * 31 + i) % 251);

/** One session, what it wrote and what it told. */
export interface Side {
  readonly session: MsrpSession;
  readonly events: SessionEvent<MemorySink>[];
  /** Start lines and end flags of what it wrote, oldest first. */
  readonly wrote: string[];
  readonly frames: MsrpRequest[];
  full: boolean;
  outcomes(): readonly string[];
  /** Of the whole messages that came. */
  bodies(): readonly string[];
  peer(said: string | Uint8Array): void;
}

export function side(
  options: Partial<SessionOptions<MemorySink>> & Pick<SessionOptions, 'clock'>,
): Side {
  const [events, wrote, frames]: [SessionEvent<MemorySink>[], string[], MsrpRequest[]] = [
    [],
    [],
    [],
  ];
  const [own, incoming] = [msrpFramer(), msrpFramer(options.limits)];
  const session = msrpSession<MemorySink>({
    role: 'active',
    localUri: SERVER,
    remotePath: [CLIENT],
    random,
    begin: () => memorySink(),
    emit: (event) => events.push(event),
    write(parts) {
      for (const event of own.push(joinOctets(parts))) {
        if (event.kind !== 'frame') throw new Error(`not one frame: ${event.kind}`);
        const { frame } = event;
        if (frame.kind === 'request') frames.push(frame);
        const what = frame.kind === 'request' ? frame.method : frame.status;
        wrote.push(`${what} ${frame.flag}`);
      }
      return !made.full;
    },
    ...options,
  });
  const made: Side = {
    ...{ session, events, wrote, frames, full: false },
    outcomes: () =>
      events.flatMap((event) =>
        event.kind === 'outcome' ? [`${event.key} ${JSON.stringify(event.outcome)}`] : [],
      ),
    bodies: () =>
      events.flatMap((event) => {
        if (event.kind !== 'completed') return [];
        const { sink, bytes } = event.message;
        return [new TextDecoder().decode(sink.octets(bytes))];
      }),
    peer(said) {
      const came = typeof said === 'string' ? octets(said) : said;
      for (const event of incoming.push(came)) session.receive(event);
    },
  };
  return made;
}

export const message = (
  key: string,
  body: Uint8Array = octets('hello'),
  contentType = 'text/plain',
) => ({
  ...{ key, messageId: `id-${key}`, contentType, body },
});
export const says = (frame: MsrpRequest | undefined, status: number) =>
  `MSRP ${frame?.tid} ${status}\r\nTo-Path: ${SERVER}\r\nFrom-Path: ${CLIENT}\r\n-------${frame?.tid}$\r\n`;
const paths = `To-Path: ${SERVER}\r\nFrom-Path: ${CLIENT}\r\n`;
export const sends = (tid: string, rest: string, flag = '$') =>
  `MSRP ${tid} SEND\r\n${paths}${rest}\r\n-------${tid}${flag}\r\n`;
export const chunk = (tid: string, range: string, body: string, flag = '+') =>
  sends(tid, `Message-ID: m123\r\nByte-Range: ${range}\r\nContent-Type: a/b\r\n\r\n${body}`, flag);
export const reports = (id: string, range: string, status: string) =>
  `MSRP rrrr REPORT\r\n${paths}Message-ID: ${id}\r\nByte-Range: ${range}\r\nStatus: ${status}\r\n-------rrrr$\r\n`;

export function connected(options: Partial<SessionOptions<MemorySink>> = {}): Side {
  const made = side({ clock: simulatedClock(), ...options });
  made.session.connected();
  return made;
}
