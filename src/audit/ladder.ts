/**
 * What happened to one account or one delivery, as a ladder: who said what to whom, and what the
 * machines made of it. Plain data: a terminal, a page and an export draw it in their own ways.
 */
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import { visible } from '../wire/visible.ts';
import {
  field,
  type LadderEvent,
  type LadderScope,
  type LadderSignal,
  selectRecords,
} from './ladder-selection.ts';

export interface LadderOptions extends LadderScope {
  /** Names for addresses as `host:port`: such an address gets a lane of its own. */
  readonly columns?: Readonly<Record<string, string>>;
}

/** Somebody who speaks; the lanes stand in the order in which they are drawn. */
export interface LadderLane {
  readonly name: string;
  /** `host:port`, in order of appearance; of the server none. */
  readonly addresses: readonly string[];
}

interface Mark {
  readonly position: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Since the first row; negative when a clock was set back. */
  readonly ms: number;
}

/** A SIP message or MSRP frame; `from` and `to` count lanes. */
export interface LadderArrow extends Mark {
  readonly kind: 'arrow';
  readonly protocol: 'sip' | 'msrp';
  readonly from: number;
  readonly to: number;
  readonly label: string;
  /** An answer of 400 and above, an aborted chunk. */
  readonly failure: boolean;
}

/** A recorded event of a machine, in the lane of the server. */
export interface LadderNote extends Mark {
  readonly kind: 'note';
  readonly lane: number;
  readonly machine: string;
  readonly type: string;
  /** States before and after; empty when the record has none. */
  readonly before: string;
  readonly after: string;
  /** What it is about, in a few words. */
  readonly detail: string;
}

export type LadderRow = LadderArrow | LadderNote;

/** All texts are safe to show: what came off the wire went through `visible`. */
export interface Ladder {
  readonly lanes: readonly LadderLane[];
  readonly rows: readonly LadderRow[];
}

const SERVER = 'restante';
/** Senders stand left of the server, everybody else right of it; MSRP is drawn last. */
const SENDER = 'sender';
const CLIENT = 'client';
const MSRP = 'MSRP';

/**
 * Selects what concerns the account or the delivery and puts it in order. Events keep the order of
 * the log, signals that of the wire. Total: records of any shape will do.
 */
export function ladder(records: Iterable<Recorded>, options: LadderOptions = {}): Ladder {
  const { events, signals } = selectRecords(records, options);
  const steps = merge(events, signals);
  const seen = steps.flatMap((step) => signalIn(step) ?? []);
  const lanes = lanesOf(seen, options.columns ?? {});
  const start = steps[0] === undefined ? 0 : timeOf(steps[0]);
  const rows = steps.flatMap((step): LadderRow[] => {
    const signal = signalIn(step);
    const arrow = signal ? [arrowOf(signal, lanes, start)] : [];
    return 'event' in step ? [...arrow, noteOf(step.event, lanes.server, start)] : arrow;
  });
  return { lanes: lanes.list, rows };
}

type Step = LadderEvent | LadderSignal;

function signalIn(step: Step): LadderSignal | undefined {
  return 'event' in step ? step.cause : step;
}

function timeOf(step: Step): number {
  return 'event' in step ? step.event.at : step.at;
}

/**
 * Signals reach the log a little behind the events, with whichever commit comes next, so positions
 * alone would show effects before their causes. Both orders are kept and merged by time.
 */
function merge(events: readonly LadderEvent[], signals: readonly LadderSignal[]): readonly Step[] {
  const steps: Step[] = [];
  let next = 0;
  for (const step of events) {
    for (let signal = signals[next]; signal && precedes(signal, step); signal = signals[next]) {
      steps.push(signal);
      next += 1;
    }
    steps.push(step);
  }
  return [...steps, ...signals.slice(next)];
}

function precedes(signal: LadderSignal, { event, cause }: LadderEvent): boolean {
  if (signal.at !== event.at) return signal.at < event.at;
  // Within one millisecond: what came in led to the event, what went out followed from it …
  if (!signal.sent) return true;
  // … unless the event is the answer to it.
  if (signal.protocol === 'msrp') {
    return signal.messageId !== undefined && signal.messageId === field(event.data, 'messageId');
  }
  const answers = cause?.status !== undefined && cause.callId === signal.callId;
  return answers && signal.status === undefined && cause.cseq === signal.cseq;
}

interface Lanes {
  readonly list: readonly LadderLane[];
  readonly server: number;
  laneOf(signal: LadderSignal): number;
}

function lanesOf(signals: readonly LadderSignal[], columns: Readonly<Record<string, string>>) {
  const found = new Map<string, { rank: number; addresses: Set<string> }>();
  const nameOf = (signal: LadderSignal) =>
    Object.hasOwn(columns, signal.remote) ? String(columns[signal.remote]) : roleOf(signal);
  found.set(SERVER, { rank: 1, addresses: new Set() });
  for (const signal of signals) {
    const role = roleOf(signal);
    const name = nameOf(signal);
    const rank = role === SENDER ? 0 : role === CLIENT ? 2 : 3;
    const lane = found.get(name) ?? { rank, addresses: new Set() };
    if (signal.remote !== '') lane.addresses.add(visible(signal.remote));
    found.set(name, lane);
  }
  const ordered = [...found].sort(([, a], [, b]) => a.rank - b.rank);
  const names = new Map(ordered.map(([name], index) => [name, index]));
  const server = names.get(SERVER) ?? 0;
  const lanes: Lanes = {
    list: ordered.map(([name, { addresses }]) => ({
      name: visible(name),
      addresses: [...addresses],
    })),
    server,
    laneOf: (signal) => names.get(nameOf(signal)) ?? server,
  };
  return lanes;
}

/** By what is said and not by address: behind a proxy senders and clients have the same one. */
function roleOf({ protocol, method, ofSender }: LadderSignal): string {
  if (protocol === 'msrp') return MSRP;
  return method === 'MESSAGE' || ofSender ? SENDER : CLIENT;
}

function arrowOf(signal: LadderSignal, lanes: Lanes, start: number): LadderArrow {
  const { position, at, protocol, sent, status, flag } = signal;
  const peer = lanes.laneOf(signal);
  return {
    kind: 'arrow',
    position: visible(position),
    at,
    ms: at - start,
    protocol,
    from: sent ? lanes.server : peer,
    to: sent ? peer : lanes.server,
    label: visible(protocol === 'sip' ? sipLabel(signal) : msrpLabel(signal)),
    failure: (status !== undefined && status >= 400) || flag === '#',
  };
}

function sipLabel({ startLine, status, method }: LadderSignal): string {
  if (status !== undefined) return startLine.slice('SIP/2.0 '.length);
  return method ?? startLine;
}

function msrpLabel({ startLine, tid, status, method, byteRange, flag }: LadderSignal): string {
  if (tid === undefined) return startLine;
  if (status !== undefined) return startLine.split(' ').slice(2).join(' ');
  return [method, byteRange, flag].filter((part) => part !== undefined).join(' ');
}

function noteOf(event: Recorded, lane: number, start: number): LadderNote {
  const { stream, position, at, type, meta } = event;
  return {
    kind: 'note',
    position: visible(position),
    at,
    ms: at - start,
    lane,
    machine: visible(parseStreamName(stream).category),
    type: visible(type),
    before: visible(meta.from ?? ''),
    after: visible(meta.to ?? ''),
    detail: visible(detailOf(event)),
  };
}

/** Properties of an event's data that say what it is about, with the words around them. */
const DETAILS: readonly (readonly [name: string, before: string, after: string])[] = [
  ['id', '', ''],
  ['bytes', '', ' octets'],
  ['bindings', '', ' contacts'],
  ['contentType', '', ''],
  ['count', '', ' messages'],
  ['cause', '', ''],
  ['acknowledged', '', ' acknowledged'],
  ['failed', '', ' failed'],
  ['status', '', ''],
  ['outcome', '', ''],
  ['reason', '', ''],
  ['idleMs', 'nothing for ', ' ms'],
  ['remote', 'to ', ''],
];

function detailOf({ data }: Recorded): string {
  const parts = DETAILS.flatMap(([name, before, after]) => {
    const value = field(data, name);
    const shown = Array.isArray(value) ? value.length : value;
    if (typeof shown !== 'string' && typeof shown !== 'number') return [];
    return [`${before}${shown}${shown === 1 ? after.replace(/s$/, '') : after}`];
  });
  return parts.join(', ');
}
