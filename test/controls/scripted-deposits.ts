import type { DepositCallbacks, DepositChannels } from '../../src/deferral/deposit-channel.ts';
import type { SenderEnd } from '../../src/machines/deposit/events.ts';

/** The MSRP side of deposits as a test plays it: what was opened, and what comes by it. */
export interface ScriptedDeposits {
  readonly port: DepositChannels;
  /** Sessions that were opened, by deposit, in order. */
  readonly opened: ReadonlyMap<string, { readonly end: SenderEnd; readonly on: DepositCallbacks }>;
  readonly closed: readonly string[];
  /** From now on there is no room for another message. */
  fill(): void;
}

export function scriptedDeposits(): ScriptedDeposits {
  const opened = new Map<string, { readonly end: SenderEnd; readonly on: DepositCallbacks }>();
  const closed: string[] = [];
  let room = true;
  return {
    opened,
    closed,
    fill() {
      room = false;
    },
    port: {
      offer: (deposit, tls) => ({
        ...{ host: '127.0.0.1', port: 2855, sessionId: `s${deposit}` },
        ...(tls ? { fingerprint: 'SHA-256 AB:CD' } : {}),
      }),
      conceal: (_, path) => path.map((uri) => uri.replace(/\/([^/;]{4})[^/;]*;/, '/$1...;')),
      open: (deposit, end, on) => void opened.set(deposit, { end, on }),
      close: (deposit) => void closed.push(deposit),
      hasRoom: async () => room,
    },
  };
}
