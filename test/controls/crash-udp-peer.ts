/**
 * A SIP peer that shares no code with the server: its own text, its own client transactions over
 * UDP. It survives the server's death, so what it was told is what the server must stand by.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface SipText {
  readonly startLine: string;
  /** First value of a header, by lower-case name. */
  header(name: string): string | undefined;
  readonly body: string;
}

export interface UdpPeer {
  readonly port: number;
  /**
   * Sends a request, repeated as RFC 3261 §17.1.2.2 says, in a transaction of its own; resolves
   * with the status of its final answer, 408 when there is none within Timer F.
   */
  request(startLine: string, lines: readonly string[], body?: string): Promise<number>;
  /** Sends as it is. */
  send(text: string, port: number): void;
  /** Requests without a final answer. */
  unanswered(): number;
  close(): void;
}

/** RFC 3261 §17.1.2.2: Timer E starts at T1 and doubles up to T2; Timer F is 64*T1. */
const T1_MS = 500;
const T2_MS = 4_000;
const TIMER_F_MS = 64 * T1_MS;

/** Reads SIP text; header names are case-insensitive, folded lines do not occur here. */
export function readSip(text: string): SipText {
  const end = text.indexOf('\r\n\r\n');
  const [startLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const header = (name: string) =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  return { startLine, header, body: text.slice(end + 4) };
}

export function renderSip(startLine: string, lines: readonly string[], body = ''): string {
  const length = `Content-Length: ${Buffer.byteLength(body, 'latin1')}`;
  return [startLine, ...lines, length, '', body].join('\r\n');
}

interface Transaction {
  settle(status: number): void;
}

/** Opens a peer on a free port of 127.0.0.1; its requests go to `serverPort`. */
export async function udpPeer(
  serverPort: number,
  onRequest: (request: SipText, text: string) => void = () => {},
): Promise<UdpPeer> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  const transactions = new Map<string, Transaction>();
  let open = true;

  function send(text: string, to: number): void {
    if (open) socket.send(Buffer.from(text, 'latin1'), to, '127.0.0.1');
  }

  socket.on('message', (datagram) => {
    const text = datagram.toString('latin1');
    const message = readSip(text);
    if (!message.startLine.startsWith('SIP/2.0 ')) return onRequest(message, text);
    const status = Number(message.startLine.slice(8, 11));
    const branch = /;branch=([^;,\s]+)/.exec(message.header('via') ?? '')?.[1] ?? '';
    if (status >= 200) transactions.get(branch)?.settle(status);
  });

  function request(startLine: string, lines: readonly string[], body = ''): Promise<number> {
    const branch = `z9hG4bK${randomBytes(8).toString('hex')}`;
    const via = `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=${branch};rport`;
    const text = renderSip(startLine, [via, 'Max-Forwards: 70', ...lines], body);
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout;
      let leftMs = TIMER_F_MS;
      const settle = (status: number) => {
        clearTimeout(timer);
        transactions.delete(branch);
        resolve(status);
      };
      const again = (waitMs: number) => {
        if (leftMs <= 0) return settle(408);
        send(text, serverPort);
        leftMs -= waitMs;
        timer = setTimeout(again, waitMs, Math.min(2 * waitMs, T2_MS));
      };
      transactions.set(branch, { settle });
      again(T1_MS);
    });
  }

  return {
    port,
    request,
    send,
    unanswered: () => transactions.size,
    close() {
      open = false;
      for (const { settle } of [...transactions.values()]) settle(408);
      socket.close();
    },
  };
}
