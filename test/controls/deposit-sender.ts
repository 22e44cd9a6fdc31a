import { type UdpPeer, udpPeer } from './crash-udp-peer.ts';

/** One message as its sender knows it. */
export interface Deposit {
  /** Stands in the body, so that it can be told wherever the message turns up. */
  readonly token: string;
  readonly user: string;
  readonly callId: string;
  readonly fromTag: string;
  readonly cseq: number;
  readonly body: string;
}

export interface DepositSender {
  /** Makes a message with a new token for a user of `example.org`, not yet sent. */
  compose(user: string, bodyBytes: number): Deposit;
  /** Sends it, each time in a new transaction; resolves with the final status, 408 for none. */
  send(deposit: Deposit): Promise<number>;
  /** Everything that was ever sent, by token. */
  readonly sent: ReadonlyMap<string, Deposit>;
  /** Tokens whose 202 was received. */
  readonly acknowledged: ReadonlySet<string>;
  /** Messages sent again after their 202. */
  readonly repeated: number;
  /** Resolves at once when so many messages are acknowledged, in the turn of the last 202. */
  reached(count: number): Promise<void>;
  unanswered(): number;
  close(): void;
}

/** The token in a body, or in octets that hold one. */
export function tokenOf(text: string): string | undefined {
  return /token=(\S+)/.exec(text)?.[1];
}

/**
 * A sender over UDP that knows nothing of the server's code. Messages count as acknowledged when
 * their 202 was received, not before.
 */
export async function depositSender(serverPort: number, name: string): Promise<DepositSender> {
  const peer: UdpPeer = await udpPeer(serverPort);
  const sent = new Map<string, Deposit>();
  const acknowledged = new Set<string>();
  let composed = 0;
  let repeated = 0;
  let waiting: { readonly count: number; resolve(): void }[] = [];

  function acknowledge(token: string): void {
    acknowledged.add(token);
    const due = waiting.filter(({ count }) => count <= acknowledged.size);
    waiting = waiting.filter((one) => !due.includes(one));
    for (const { resolve } of due) resolve();
  }

  return {
    compose(user, bodyBytes) {
      composed += 1;
      const token = `${name}-${composed}`;
      return {
        token,
        user,
        callId: `${token}@sender.example.org`,
        fromTag: `t${composed}`,
        cseq: 1 + (composed % 7),
        body: `token=${token} `.padEnd(bodyBytes, '.'),
      };
    },
    async send(deposit) {
      const { token, user, callId, fromTag, cseq, body } = deposit;
      sent.set(token, deposit);
      if (acknowledged.has(token)) repeated += 1;
      const lines = [
        `From: <sip:alice@example.org>;tag=${fromTag}`,
        `To: <sip:${user}@example.org>`,
        `Call-ID: ${callId}`,
        `CSeq: ${cseq} MESSAGE`,
        'Content-Type: text/plain',
      ];
      const status = await peer.request(`MESSAGE sip:${user}@example.org SIP/2.0`, lines, body);
      if (status === 202) acknowledge(token);
      return status;
    },
    sent,
    acknowledged,
    get repeated() {
      return repeated;
    },
    reached: (count) =>
      new Promise((resolve) => {
        if (acknowledged.size >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    unanswered: peer.unanswered,
    close: peer.close,
  };
}
