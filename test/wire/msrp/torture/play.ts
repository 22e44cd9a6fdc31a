/**
 * The endpoint under test: `msrpFramer` and `msrpSession`, with a clock that is told to move. All
 * that this set knows of their interface stands in this file.
 */
import { msrpFramer } from '../../../../src/wire/msrp/frame.ts';
import { MSRP_LIMITS } from '../../../../src/wire/msrp/limits.ts';
import { type MemorySink, memorySink } from '../../../../src/wire/msrp/message-sink.ts';
import { joinOctets } from '../../../../src/wire/msrp/render.ts';
import { msrpSession, type SessionEvent } from '../../../../src/wire/msrp/session.ts';
import { simulatedClock } from '../../../controls/simulated-clock.ts';
import type { Delivered, EndpointSetup, Outcome } from './cases.ts';

/** What cases may need and this endpoint does not offer. */
export const LACKS: Readonly<Record<string, string>> = {
  'session-ids': 'its descriptions are given their session-id by the caller',
};

/** Cases that this endpoint is known not to fulfil, by name, each with its reason. */
export const DEVIATIONS: Readonly<Record<string, string>> = {
  'sdp/our-offer-types':
    'the offer of a push is send-only: nothing is received that would have to be of a type',
};

export interface Outgoing {
  readonly name: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Octets as one character each. */
export interface Output {
  readonly written: string;
  readonly delivered: readonly Delivered[];
  readonly outcomes: readonly Outcome[];
  readonly session: 'open' | 'ended';
}

export interface Endpoint {
  connect(): void;
  arrive(octets: Uint8Array): void;
  send(message: Outgoing): void;
  wait(ms: number): void;
  peerReads(reads: boolean): void;
  disconnect(): void;
  /** Fails a message that was answered 200. */
  fail(messageId: string, status: number): void;
  end(): void;
  /** What came out since it was last asked. */
  take(): Output;
}

export function latin(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1');
}

/** A session asks for the same reports on all of its messages. */
export interface Asked {
  readonly successReport: boolean;
  readonly failureReport: 'yes' | 'partial';
  /** Longer bodies are taken in pieces: 0 streams them all. */
  readonly wholeBytesMax: number;
}

export function endpointUnderTest(setup: EndpointSetup, asked: Asked): Endpoint {
  const clock = simulatedClock();
  const limits = {
    ...MSRP_LIMITS,
    wholeBytesMax: asked.wholeBytesMax,
    messageBytesMax: setup.maxSize ?? MSRP_LIMITS.messageBytesMax,
  };
  const framer = msrpFramer(limits);
  let serial = 0;
  let reads = true;
  let ended = false;
  let written: Uint8Array[] = [];
  let delivered: Delivered[] = [];
  let outcomes: Outcome[] = [];

  function begin({ contentType }: { readonly contentType: string }): MemorySink | number {
    const bare = (contentType.split(';')[0] ?? '').trim().toLowerCase();
    return setup.accepts === undefined || setup.accepts.includes(bare) ? memorySink() : 415;
  }

  function emit(event: SessionEvent<MemorySink>): void {
    if (event.kind === 'lost') ended = true;
    if (event.kind === 'outcome') {
      const outcome = event.outcome.outcome === 'acknowledged' ? 'succeeded' : 'failed';
      outcomes.push({ message: event.key, outcome });
    }
    if (event.kind === 'takenBack') outcomes.push({ message: event.key, outcome: 'failed' });
    if (event.kind === 'completed') {
      const { messageId, contentType, bytes, sink } = event.message;
      delivered.push({ messageId, contentType, body: latin(sink.octets(bytes)) });
      session.answer(event.tid, 200);
    }
  }

  const session = msrpSession<MemorySink>({
    role: setup.role,
    localUri: setup.localUri,
    remotePath: setup.remotePath,
    clock,
    limits,
    // The same octets for every endpoint, so that what one does can be rehearsed.
    random: (n) => Uint8Array.from({ length: n }, () => (++serial * 2_654_435_761) >>> 24),
    successReport: asked.successReport,
    failureReport: asked.failureReport,
    ...{ begin, emit },
    write(parts) {
      written.push(...parts.map((part) => part.slice()));
      return reads;
    },
  });

  return {
    connect: session.connected,
    arrive(octets) {
      for (const event of framer.push(octets)) session.receive(event);
    },
    send: ({ name, contentType, body }) =>
      session.send({ key: name, messageId: `id-of-${name}`, contentType, body }),
    wait: clock.advance,
    peerReads(now) {
      reads = now;
      if (reads) session.drained();
    },
    disconnect: () => session.disconnected('the connection is gone'),
    fail: session.takeBack,
    end: () => session.abort('ended by the application'),
    take() {
      const output: Output = {
        ...{ written: latin(joinOctets(written)), delivered, outcomes },
        session: ended || session.state === 'ended' ? 'ended' : 'open',
      };
      [written, delivered, outcomes] = [[], [], []];
      return output;
    },
  };
}
