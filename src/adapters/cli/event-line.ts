import { depositStream } from '../../deferral/account.ts';
import type { Recorded } from '../../engine/recorded.ts';
import { parseStreamName } from '../../engine/stream-name.ts';
import { parseNameAddr } from '../../wire/sip/name-addr.ts';
import { visible } from '../../wire/visible.ts';
import { utc } from './table.ts';

/** Longer values are cut: a line is to be looked over, `--json` has everything. */
const VALUE_CHARACTERS_MAX = 60;
/** Why something was refused or given up is worth more. */
const REASON_CHARACTERS_MAX = 240;
/** Of a digest: enough to tell two apart. */
const DIGEST_CHARACTERS = 16;
/** A start line is within this, or not worth more. */
const START_LINE_OCTETS_MAX = 512;

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

function shortValue(name: string, value: unknown): string {
  if (Array.isArray(value)) return `[${value.length}]`;
  if (typeof value === 'object' && value !== null) return '{…}';
  return visible(
    cut(String(value), name === 'reason' ? REASON_CHARACTERS_MAX : VALUE_CHARACTERS_MAX),
  );
}

type Properties = Readonly<Record<string, unknown>>;

/** What is worth its place of properties that are no single word. */
const BRIEF: Readonly<Record<string, (value: Properties) => Properties>> = {
  dialog: ({ callId, remote }) => ({
    callId,
    sender: parseNameAddr(String(remote))?.uri ?? remote,
  }),
  end: ({ setup, path }) => ({ setup, path: Array.isArray(path) ? path.join(' ') : path }),
  timer: ({ sessionExpiresSeconds, refresher }) => ({
    timer: `${sessionExpiresSeconds}s,${refresher}`,
  }),
  parts: ({ body }) => ({ body: body === undefined ? 'file' : 'log' }),
  source: ({ deposit, revision, blob }) => ({
    source: `${depositStream(String(deposit))}#${revision}`,
    ...(blob === undefined ? {} : { blob: cut(String(blob), DIGEST_CHARACTERS) }),
  }),
};

function brief([name, value]: readonly [string, unknown]): readonly (readonly [string, unknown])[] {
  if (name === 'sha256') return [[name, cut(String(value), DIGEST_CHARACTERS)]];
  const known = Object.hasOwn(BRIEF, name) ? BRIEF[name] : undefined;
  const isProperties = typeof value === 'object' && value !== null && !Array.isArray(value);
  return known && isProperties ? Object.entries(known(value as Properties)) : [[name, value]];
}

function shortData(data: unknown): readonly string[] {
  if (typeof data !== 'object' || data === null) return [];
  return Object.entries(data)
    .flatMap(brief)
    .map(([name, value]) => `${visible(name)}=${shortValue(name, value)}`);
}

interface Signal {
  readonly arrow: '⇐' | '⇒';
  readonly startLine: string | Uint8Array;
  readonly peer: string;
}

function startLineOf(octets: Uint8Array): Uint8Array {
  const head = octets.subarray(0, START_LINE_OCTETS_MAX);
  const end = head.findIndex((octet) => octet === 13 || octet === 10);
  return end < 0 ? head : head.subarray(0, end);
}

/** The signal that caused the event, or that the event is. */
function signalOf({ stream, type, data, octets, meta }: Recorded): Signal | undefined {
  if (meta.evidence && octets) {
    const { transport, remote } = meta.evidence;
    return { arrow: '⇐', startLine: startLineOf(octets), peer: `${transport} ${remote}` };
  }
  if (parseStreamName(stream).category !== 'signal') return undefined;
  const said = data as Readonly<Record<string, unknown>>;
  return {
    arrow: type === 'SignalSent' ? '⇒' : '⇐',
    startLine: String(said.startLine ?? ''),
    peer: [said.transport, said.remote].filter((part) => part !== undefined).join(' '),
  };
}

/** One event as one line of text. */
export function eventLine(event: Recorded): string {
  const { position, at, stream, revision, type, data, meta } = event;
  const moved = meta.to === undefined ? [] : [`${meta.from ?? ''}→${meta.to}`];
  const effects = meta.effects?.length ? [`[${meta.effects.join(' ')}]`] : [];
  const signal = signalOf(event);
  const category = parseStreamName(stream).category;
  const rest = signal
    ? [...(category === 'signal' ? [] : shortData(data)), signal.arrow, visible(signal.startLine)]
    : shortData(data);
  const peer = signal?.peer ? [`(${visible(signal.peer)})`] : [];
  const place = `${visible(stream)}#${revision}`;
  return `${[position, utc(at), place, type, ...moved, ...effects, ...rest, ...peer].join(' ')}\n`;
}

/** The whole event as plain data; octets in base64. */
export function eventJson(event: Recorded): Record<string, unknown> {
  const { position, stream, revision, id, type, at, data, octets, meta } = event;
  return {
    position,
    time: utc(at),
    stream,
    revision,
    id,
    type,
    at,
    data,
    meta,
    ...(octets === undefined ? {} : { octets: Buffer.from(octets).toString('base64') }),
  };
}
