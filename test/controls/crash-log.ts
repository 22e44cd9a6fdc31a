/** What the log of a killed or ended server says, in the terms of its clients. */
import { logCheck } from '../../src/adapters/cli/log-check.ts';
import { viewDifferences } from '../../src/adapters/cli/view-check.ts';
import { openLmdbStore } from '../../src/adapters/store/lmdb.ts';
import { charts } from '../../src/deferral/deferral.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import { projections } from '../../src/projections/all.ts';
import { readSip } from './crash-udp-peer.ts';
import { tokenOf } from './deposit-sender.ts';

export interface Deferred {
  readonly id: string;
  readonly token: string;
  /** Account, Call-ID, From-tag and CSeq, read from the stored octets. */
  readonly key: string;
  readonly position: string;
}

export interface Acknowledgement {
  readonly token: string;
  readonly delivery: string;
  /** MSRP Message-ID. */
  readonly messageId: string;
  readonly position: string;
}

export interface SentSignal {
  /** Of a 202: the deposit's; of a BYE: the delivery's. */
  readonly key: string;
  readonly position: string;
}

export interface LogFacts {
  readonly events: number;
  readonly deferred: readonly Deferred[];
  readonly acknowledged: readonly Acknowledgement[];
  /** 202s to deposits, as far as the crash left them. */
  readonly accepted: readonly SentSignal[];
  readonly byes: readonly SentSignal[];
  /** Positions, revisions and replay; empty when the log is sound. */
  readonly faults: readonly string[];
  /** Views that differ from what the log makes; empty when none does. */
  readonly staleViews: readonly string[];
}

function textOf(event: Recorded): string {
  return Buffer.from(event.octets ?? []).toString('latin1');
}

/** One deposit is told by these four: RFC 3428 names none, a repetition has them in common. */
export function depositKey(user: string, callId: string, fromTag: string, cseq: number): string {
  return `${user} ${callId} ${fromTag} ${cseq}`;
}

function keyOf(message: ReturnType<typeof readSip>): string {
  const user = /sip:([^@]+)@/.exec(message.header('to') ?? '')?.[1] ?? '';
  const tag = /;tag=([^;\s]+)/.exec(message.header('from') ?? '')?.[1] ?? '';
  const callId = message.header('call-id') ?? '';
  return depositKey(user, callId, tag, Number.parseInt(message.header('cseq') ?? '', 10));
}

/** Reads the whole log of a store that nobody writes to, and compares the views with it. */
export async function readLog(dir: string): Promise<LogFacts> {
  const store = await openLmdbStore({ dir, projections, readOnly: true });
  try {
    const deferred: Deferred[] = [];
    const tokens = new Map<string, string>();
    const acknowledged: Acknowledgement[] = [];
    const accepted: SentSignal[] = [];
    const byes: SentSignal[] = [];
    for await (const event of store.readAll()) {
      const { category, id: name } = parseStreamName(event.stream);
      const { position } = event;
      if (event.type === 'MessageDeferred') {
        const { id } = event.data as { id: string };
        const message = readSip(textOf(event));
        const token = tokenOf(message.body) ?? '';
        tokens.set(id, token);
        deferred.push({ id, token, key: keyOf(message), position });
      } else if (event.type === 'PushAcknowledged') {
        const { id, messageId } = event.data as { id: string; messageId: string };
        const token = tokens.get(id) ?? '';
        acknowledged.push({ token, delivery: name, messageId, position });
      } else if (category === 'signal' && event.type === 'SignalSent') {
        const message = readSip(textOf(event));
        const callId = message.header('call-id') ?? '';
        if (message.startLine.startsWith('SIP/2.0 202 ')) {
          accepted.push({ key: keyOf(message), position });
        } else if (message.startLine.startsWith('BYE ')) {
          byes.push({ key: callId.split('.')[1] ?? '', position });
        }
      }
    }
    const check = logCheck(store, charts, projections);
    const differences = await viewDifferences(store, check);
    return {
      events: check.events,
      deferred,
      acknowledged,
      accepted,
      byes,
      faults: [...check.order.first, ...check.replay.first],
      staleViews:
        differences === 'moving'
          ? ['the log still grows']
          : differences.map(({ view, key }) => `${view}, row ${key}`),
    };
  } finally {
    await store.close();
  }
}
