/** Whether what came out is what a case expects. */
import {
  type Delivered,
  type Expectation,
  type FramePattern,
  type Outcome,
  textOf,
  type Value,
} from './cases.ts';
import { header, type WrittenFrame } from './written-frames.ts';

/** Names of a case and what they stand for; an unknown one is learnt where it first appears. */
export type Names = Map<string, string>;

export interface Seen {
  readonly frames: readonly WrittenFrame[];
  readonly delivered: readonly Delivered[];
  readonly outcomes: readonly Outcome[];
  readonly session: string;
  readonly localUri: string;
}

/** What is not as expected, in words; nothing when all is. Learns names only when all is. */
export function differences(want: Expectation, seen: Seen, names: Names): readonly string[] {
  const learnt: Names = new Map(names);
  const found: string[] = [];
  let rest = seen.frames;
  const split = (belongs: (frame: WrittenFrame) => boolean): readonly WrittenFrame[] => {
    const mine = rest.filter(belongs);
    rest = rest.filter((frame) => !belongs(frame));
    return mine;
  };
  if (want.before !== undefined) found.push(...notBefore(want.before, rest, learnt));
  if (want.sent !== undefined) {
    const { id } = want.sent;
    const mine = split((frame) => frame.is === 'SEND' && matches(id, idOf(frame), learnt));
    found.push(...sentDifferences(want.sent, mine, learnt));
  }
  if (want.reported ?? want.reportedWithin) {
    const reports = split((frame) => frame.is === 'REPORT');
    found.push(...reportDifferences(want, reports, seen.localUri));
  }
  if (want.frames !== 'any' && (want.frames !== undefined || want.sent !== undefined)) {
    found.push(...frameDifferences(want.frames ?? [], rest, { want, seen, names: learnt }));
  }
  if (want.delivered !== undefined) {
    const plain = (all: readonly Delivered[]) =>
      all.map(({ session, messageId, contentType, body }) =>
        JSON.stringify([session ?? '', messageId, contentType, textOf(body, learnt)]),
      );
    found.push(...unequal('delivered', plain(want.delivered), plain(seen.delivered)));
  }
  if (want.outcomes === 'not-succeeded') {
    if (seen.outcomes.some(({ outcome }) => outcome === 'succeeded')) found.push('a success');
  } else if (want.outcomes !== undefined) {
    const plain = (all: readonly Outcome[]) => all.map((each) => `${each.message} ${each.outcome}`);
    found.push(...unequal('outcomes', plain(want.outcomes), plain(seen.outcomes)));
  }
  if (want.session !== undefined && !matches(want.session, seen.session, learnt)) {
    found.push(`the session is ${seen.session}, not ${textOf(want.session, learnt)}`);
  }
  const said = (want.distinct ?? []).map((name) => textOf(name, learnt));
  if (new Set(said).size < said.length) found.push(`not distinct: ${said.join(' ')}`);
  if (found.length === 0) for (const [name, value] of learnt) names.set(name, value);
  return found;
}

function idOf(frame: WrittenFrame): string | null {
  return header(frame, 'Message-ID') ?? null;
}

/** Learns `${name}` when it is the whole value and not known. */
function matches(want: Value, value: string | null, names: Names): boolean {
  if (want === null || value === null) {
    return want === value || (Array.isArray(want) && want.includes(value));
  }
  if (typeof want !== 'string') return want.some((each) => matches(each, value, names));
  const [, name] = /^\$\{([a-z0-9-]+)\}$/.exec(want) ?? [];
  if (name !== undefined && !names.has(name)) {
    names.set(name, value);
    return true;
  }
  const text = textOf(want, names);
  const [, pattern] = /^\/(.*)\/$/.exec(text) ?? [];
  return pattern === undefined ? text === value : new RegExp(pattern).test(value);
}

function frameDifference(
  want: FramePattern,
  frame: WrittenFrame,
  { seen, names }: { readonly seen: Seen; readonly names: Names },
): string | undefined {
  const say = (what: string) => `${what} of ${summary(frame)}`;
  const kinds = typeof want.is === 'object' ? want.is : [want.is];
  if (!kinds.some((kind) => kind === frame.is)) return say(`not ${kinds.join('/')}: kind`);
  if (want.tid !== undefined && !matches(want.tid, frame.tid, names)) return say('transaction id');
  if (want.to !== undefined && textOf(want.to.join(' '), names) !== frame.to.join(' ')) {
    return say(`To-Path ${frame.to.join(' ')}`);
  }
  const from = want.from ?? [seen.localUri];
  if (from !== 'any' && from.join(' ') !== frame.from.join(' ')) return say('From-Path');
  for (const [name, value] of Object.entries(want.headers ?? {})) {
    const is = header(frame, name) ?? null;
    if (!matches(value, is, names)) return say(`${name}: ${is}`);
  }
  if (want.body !== undefined) {
    const body = want.body === null ? null : textOf(want.body, names);
    if (body !== frame.body) return say('body');
  }
  return want.flag !== undefined && want.flag !== frame.flag ? say('flag') : undefined;
}

function frameDifferences(
  wanted: readonly FramePattern[],
  frames: readonly WrittenFrame[],
  context: { readonly want: Expectation; readonly seen: Seen; readonly names: Names },
): readonly string[] {
  const found: string[] = [];
  let left = [...frames];
  for (const pattern of wanted) {
    const candidates = context.want.unordered ? left : left.slice(0, 1);
    const tries = candidates.map((frame) => {
      const names = new Map(context.names);
      return { frame, names, difference: frameDifference(pattern, frame, { ...context, names }) };
    });
    const fit = tries.find(({ difference }) => difference === undefined);
    if (fit === undefined) {
      if (pattern.optional) continue;
      found.push(tries[0]?.difference ?? `no frame for ${JSON.stringify(pattern)}`);
      if (!context.want.unordered) left = left.slice(1);
      continue;
    }
    for (const [name, value] of fit.names) context.names.set(name, value);
    left = left.filter((frame) => frame !== fit.frame);
  }
  return [...found, ...left.map((frame) => `not expected: ${summary(frame)}`)];
}

function sentDifferences(
  want: NonNullable<Expectation['sent']>,
  chunks: readonly WrittenFrame[],
  names: Names,
): readonly string[] {
  const found: string[] = [];
  const key = `sent:${textOf(want.id, names)}`;
  const body = (names.get(key) ?? '') + chunks.map((frame) => frame.body ?? '').join('');
  const whole = textOf(want.body, names);
  if (chunks.length === 0) found.push(`nothing of ${want.id} was sent`);
  if (want.some) {
    if (!whole.startsWith(body)) found.push('other octets than the first of the message');
    if (body.length >= whole.length) found.push('all of the message');
  } else if (body !== whole) found.push(`${body.length} other octets than ${whole.length} to send`);
  const flag = chunks.at(-1)?.flag;
  if (want.flag !== undefined && flag !== want.flag) found.push(`the last flag is ${flag}`);
  for (const chunk of chunks) {
    for (const [name, value] of Object.entries(want.headers ?? {})) {
      const is = header(chunk, name) ?? null;
      if (!matches(value, is, names)) found.push(`${name}: ${is} of ${summary(chunk)}`);
    }
    if (want.tid !== undefined && !matches(want.tid, chunk.tid, names)) found.push('tid');
  }
  names.set(key, body);
  return found;
}

/** Frames of others stand before the last frame of the message. */
function notBefore(id: string, frames: readonly WrittenFrame[], names: Names): readonly string[] {
  const last = frames.findLastIndex((frame) => matches(id, idOf(frame), new Map(names)));
  return frames.slice(last + 1).map((frame) => `only after the whole message: ${summary(frame)}`);
}

function reportDifferences(
  want: Expectation,
  reports: readonly WrittenFrame[],
  localUri: string,
): readonly string[] {
  const messageId = (want.reported ?? want.reportedWithin)?.messageId;
  const to = want.reported?.to;
  const found: string[] = [];
  const covered = new Set<number>();
  for (const frame of reports) {
    const range = /^(\d+)-(\d+)\//.exec(header(frame, 'Byte-Range') ?? '');
    if (idOf(frame) !== messageId) found.push(`Message-ID of ${summary(frame)}`);
    if (!/^000 200( |$)/.test(header(frame, 'Status') ?? '')) found.push('Status is not 000 200');
    if (to !== undefined && frame.to.join(' ') !== to.join(' ')) found.push('To-Path of a REPORT');
    if (frame.from.join(' ') !== localUri) found.push('From-Path of a REPORT');
    if (range === null) found.push(`Byte-Range: ${header(frame, 'Byte-Range')}`);
    for (let i = Number(range?.[1]); i <= Number(range?.[2]); i++) covered.add(i);
  }
  const octets = [...covered].sort((a, b) => a - b);
  if (want.reported !== undefined) {
    if (reports.length === 0) found.push('no REPORT');
    const all = Array.from({ length: want.reported.octets }, (_, i) => i + 1);
    found.push(...unequal('octets reported', [all.join()], [octets.join()]));
  }
  const [from = 0, until = 0] = want.reportedWithin?.range ?? [0, Number.POSITIVE_INFINITY];
  if (octets.some((octet) => octet < from || octet > until)) found.push('reported too much');
  return found;
}

function unequal(
  what: string,
  wanted: readonly string[],
  seen: readonly string[],
): readonly string[] {
  const same = wanted.length === seen.length && wanted.every((each, i) => each === seen[i]);
  const short = (all: readonly string[]) => all.map((each) => each.slice(0, 200)).join(' | ');
  return same ? [] : [`${what}: ${short(seen) || 'none'} instead of ${short(wanted) || 'none'}`];
}

function summary(frame: WrittenFrame): string {
  const range = header(frame, 'Byte-Range');
  const body = frame.body === null ? 'no body' : `${frame.body.length} octets`;
  return `${frame.is} ${frame.tid} (${range ?? 'no range'}, ${body}, ${frame.flag})`;
}
