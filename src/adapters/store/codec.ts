import { APPEND_BYTES_MAX, EVENT_BYTES_MAX, STREAM_BYTES_MAX } from '../../engine/ports.ts';
import type {
  Candidate,
  Evidence,
  Meta,
  Position,
  Recorded,
  TimerMark,
} from '../../engine/recorded.ts';

/*
 * One event as octets: version (1), length of the head (3, big endian), head (JSON, UTF-8), tail
 * (the event's octets as they are). The position is the key under which a store keeps the value.
 * What changes here is a storage format: a new version, and the old one stays readable.
 */
const VERSION = 1;
/** Set in the version octet when the event has octets, be they none. */
const HAS_OCTETS = 0x80;
const PREFIX_BYTES = 4;

/** The head is written once for each event for ever, so it has places and short names. */
type Head = readonly [
  stream: string,
  revision: number,
  id: string,
  type: string,
  at: number,
  data: unknown,
  meta: MetaHead,
];

interface MetaHead {
  /** from */
  f?: string;
  /** to */
  t?: string;
  /** effects */
  e?: readonly string[];
  /** timers */
  d?: Readonly<Record<string, TimerMark | null>>;
  /** machine */
  m?: string;
  /** causation */
  c?: string;
  /** evidence: protocol, transport, local, remote */
  v?: readonly [Evidence['protocol'], Evidence['transport'], string, string];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Encodes one event as it will stand at `revision` of `stream`. `data` is plain JSON data.
 *
 * @throws RangeError when it exceeds `EVENT_BYTES_MAX`
 */
export function encodeEvent(stream: string, revision: number, event: Candidate): Uint8Array {
  const head = encoder.encode(headText(stream, revision, event));
  const octets = event.octets;
  const bytes = PREFIX_BYTES + head.length + (octets?.length ?? 0);
  if (bytes > EVENT_BYTES_MAX) throw tooLarge(stream, event, bytes);
  const value = new Uint8Array(bytes);
  value[0] = octets ? VERSION | HAS_OCTETS : VERSION;
  value[1] = head.length >> 16;
  value[2] = head.length >> 8;
  value[3] = head.length;
  value.set(head, PREFIX_BYTES);
  if (octets) value.set(octets, PREFIX_BYTES + head.length);
  return value;
}

/**
 * Decodes what `encodeEvent` made. The event's octets are a window on `value`, not a copy.
 *
 * @throws Error when a newer version of the format wrote it
 */
export function decodeEvent(value: Uint8Array, position: Position): Recorded {
  const first = value[0] ?? 0;
  if ((first & ~HAS_OCTETS) !== VERSION) {
    throw new Error(
      `the event at position ${position} has format ${first & ~HAS_OCTETS}, this release reads` +
        ` format ${VERSION}: open the store with the release that wrote it, or a later one`,
    );
  }
  const headBytes = ((value[1] ?? 0) << 16) | ((value[2] ?? 0) << 8) | (value[3] ?? 0);
  const tail = PREFIX_BYTES + headBytes;
  // `encodeEvent` wrote it, so it has the shape of a head.
  const head = JSON.parse(decoder.decode(value.subarray(PREFIX_BYTES, tail))) as Head;
  const [stream, revision, id, type, at, data, meta] = head;
  const event = { stream, revision, position, id, type, at, data, meta: readMeta(meta) };
  if ((first & HAS_OCTETS) === 0) return event;
  const octets = new Uint8Array(value.buffer, value.byteOffset + tail, value.length - tail);
  return Object.assign(event, { octets });
}

/**
 * Encodes the events of one append, the first at `revision`.
 *
 * @throws RangeError when there is no event, or more than `EVENT_BYTES_MAX`, `APPEND_BYTES_MAX` or
 *   `STREAM_BYTES_MAX`
 */
export function encodeAppend(
  stream: string,
  revision: number,
  events: readonly Candidate[],
): readonly Uint8Array[] {
  if (events.length === 0)
    throw new RangeError(`an append to ${stream} has no event: do not append`);
  // Three octets at most are one unit of a string: nearly always no octets have to be made.
  if (stream.length * 3 > STREAM_BYTES_MAX && encoder.encode(stream).length > STREAM_BYTES_MAX) {
    throw new RangeError(
      `the stream ${stream.slice(0, 40)}… has a name of more than ${STREAM_BYTES_MAX} octets:` +
        ' hash what it is named for',
    );
  }
  let bytes = 0;
  const values = events.map((event, index) => {
    const value = encodeEvent(stream, revision + index, event);
    bytes += value.length;
    return value;
  });
  if (bytes > APPEND_BYTES_MAX) {
    throw new RangeError(
      `an append of ${events.length} events to ${stream} has ${bytes} bytes, the limit is` +
        ` ${APPEND_BYTES_MAX}: split it into several appends`,
    );
  }
  return values;
}

function headText(stream: string, revision: number, event: Candidate): string {
  const { id, type, at, data, meta } = event;
  const head: Head = [stream, revision, id, type, at, data, writeMeta(meta)];
  return JSON.stringify(head);
}

function writeMeta(meta: Meta): MetaHead {
  const { from, to, effects, timers, machine, causation, evidence } = meta;
  const head: MetaHead = {};
  if (from !== undefined) head.f = from;
  if (to !== undefined) head.t = to;
  if (effects) head.e = effects;
  if (timers) head.d = timers;
  if (machine !== undefined) head.m = machine;
  if (causation !== undefined) head.c = causation;
  if (evidence) head.v = [evidence.protocol, evidence.transport, evidence.local, evidence.remote];
  return head;
}

function readMeta({ f, t, e, d, m, c, v }: MetaHead): Meta {
  // Assigned one by one: spreading costs as much as the rest of the decoding.
  const meta: { -readonly [Name in keyof Meta]: Meta[Name] } = {};
  if (f !== undefined) meta.from = f;
  if (t !== undefined) meta.to = t;
  if (e) meta.effects = e;
  if (d) meta.timers = d;
  if (m !== undefined) meta.machine = m;
  if (c !== undefined) meta.causation = c;
  if (v) meta.evidence = { protocol: v[0], transport: v[1], local: v[2], remote: v[3] };
  return meta;
}

function tooLarge(stream: string, event: Candidate, bytes: number): RangeError {
  return new RangeError(
    `the event ${event.type} of ${stream} has ${bytes} bytes, the limit is ${EVENT_BYTES_MAX}:` +
      ' refuse such content where it arrives, before it becomes an event',
  );
}
