/**
 * The evidence journal: each SIP and MSRP message on the wire, in the same log and order as the
 * events. A signal that caused an event travels in the event itself and is not repeated here.
 */
import type { Clock, Digest, EventStore } from '../engine/ports.ts';
import { openRecordStream } from '../engine/record-stream.ts';
import type { Evidence } from '../engine/recorded.ts';
import { streamName } from '../engine/stream-name.ts';
import { type BodySummary, journaled, type SignalSummary } from '../wire/journal.ts';

export type JournalMode = 'full' | 'headers' | 'off';

export type SignalData = Evidence & SignalSummary;

/** What a counter of signals tells apart: the method, or the status of a response. */
export interface SignalKind {
  readonly protocol: Evidence['protocol'];
  readonly direction: 'in' | 'out';
  readonly kind: string;
}

export interface Signals {
  /** `body`: of a frame that comes without the body it had. */
  sent(octets: Uint8Array, evidence: Evidence, body?: BodySummary): void;
  received(octets: Uint8Array, evidence: Evidence, body?: BodySummary): void;
  /** What an event keeps of the signal that caused it. */
  evidence(octets: Uint8Array, protocol: Evidence['protocol']): Uint8Array;
  flushed(): Promise<void>;
}

/** The second word of `SIP/2.0 202 …`, the first of `MESSAGE …`, the third of `MSRP tid SEND`. */
function kindOf(octets: Uint8Array, protocol: Evidence['protocol']): string {
  const start = decoder.decode(octets.subarray(0, KIND_WITHIN_OCTETS));
  const words = start.split(/[ \r]/, 3);
  const word = protocol === 'msrp' ? words[2] : words[0] === 'SIP/2.0' ? words[1] : words[0];
  return word ?? '';
}

const decoder = new TextDecoder();
/** A start line's method or status stands within these octets. */
const KIND_WITHIN_OCTETS = 48;

/** Signals are never waited for: what the log could not take is told by `onFault`, with its count. */
export async function openSignals(options: {
  readonly store: EventStore;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly node: string;
  readonly mode: JournalMode;
  onFault(where: string, fault: unknown): void;
  /** Told of each signal, also when the journal is off. */
  onSignal?(signal: SignalKind): void;
}): Promise<Signals> {
  const { store, digest, clock, node, mode, onFault } = options;
  const { sha256 } = digest;
  const stream = streamName('signal', node);
  const records = await openRecordStream({
    store,
    stream,
    digest,
    onLoss: (count, reason) => onFault(stream, `${count} signals lost: ${reason}`),
  });

  function recorder(type: string): Signals['sent'] {
    const direction = type === 'SignalSent' ? 'out' : 'in';
    return (octets, evidence, body) => {
      const { protocol } = evidence;
      options.onSignal?.({ protocol, direction, kind: kindOf(octets, protocol) });
      if (mode === 'off') return;
      const kept = journaled(octets, { protocol, mode, sha256, body });
      const data: SignalData = { ...evidence, ...kept.summary };
      records.record(type, clock.now(), data, kept.octets);
    };
  }

  return {
    sent: recorder('SignalSent'),
    received: recorder('SignalReceived'),
    evidence: (octets, protocol) =>
      journaled(octets, { protocol, mode: mode === 'off' ? 'headers' : mode, sha256 }).octets,
    flushed: () => records.flushed(),
  };
}
