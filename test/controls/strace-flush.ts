/** Which answers left before what they say was flushed, told from the system calls of the server. */
import type { SystemCall } from './strace-trace.ts';

/** What strace has to record for it. */
export const TRACED =
  'openat,fdatasync,fsync,msync,read,recvfrom,recvmsg,recvmmsg,sendto,sendmsg,sendmmsg,' +
  'write,writev,pwrite64,pwritev';

/** A commit from the first octet written to the last one flushed, by line of the trace. */
export interface Commit {
  readonly began: number;
  readonly flushed: number;
}

/** A promise on the wire: it may leave when what arrived is flushed. */
export interface Promised {
  readonly what: string;
  readonly arrived: number;
  readonly left: number;
}

const RECEIVING = new Set(['read', 'recvfrom', 'recvmsg', 'recvmmsg']);
const SENDING = new Set(['write', 'writev', 'sendto', 'sendmsg', 'sendmmsg']);
const WRITING = new Set(['write', 'writev', 'pwrite64', 'pwritev']);
const FLUSHING = new Set(['fdatasync', 'fsync', 'msync']);

function descriptorOf({ text }: SystemCall): string {
  return /^\d+/.exec(text)?.[0] ?? '';
}

/**
 * LMDB writes the pages of a transaction, flushes them, and then writes the page that makes them
 * valid through a descriptor opened with O_DSYNC: the commit is durable when that has returned.
 */
export function commitsOf(calls: readonly SystemCall[]): readonly Commit[] {
  const commits: Commit[] = [];
  const pages = new Set<string>();
  const synchronous = new Set<string>();
  let began: number | undefined;
  let pagesFlushed = false;
  for (const call of calls) {
    const { name, text, entered, returned, succeeded } = call;
    const descriptor = descriptorOf(call);
    if (name === 'openat') {
      const opened = /= (\d+)$/.exec(text)?.[1] ?? '';
      pages.delete(opened);
      synchronous.delete(opened);
      if (text.includes('/data.mdb"')) (text.includes('O_DSYNC') ? synchronous : pages).add(opened);
    } else if (WRITING.has(name) && pages.has(descriptor)) {
      began ??= entered;
      pagesFlushed = false;
    } else if (FLUSHING.has(name) && succeeded) {
      pagesFlushed = began !== undefined && (pages.has(descriptor) || name === 'msync');
    } else if (WRITING.has(name) && synchronous.has(descriptor) && succeeded) {
      if (pagesFlushed && began !== undefined) commits.push({ began, flushed: returned });
      began = undefined;
      pagesFlushed = false;
    }
  }
  return commits;
}

/**
 * Every 202 to a MESSAGE and 200 to a REGISTER, by the Call-ID that they share. Each promises what
 * arrived first: a copy that came later is answered for the same deposit, and needs no other flush.
 */
export function answersOf(calls: readonly SystemCall[]): readonly Promised[] {
  const arrivals = new Map<string, number>();
  const promised: Promised[] = [];
  const requests = /"(?:MESSAGE|REGISTER) sip:[^"]*?Call-ID: (\S+?)\\r/g;
  const answers = /"SIP\/2\.0 (20[02]) [^"]*?Call-ID: (\S+?)\\r[^"]*?CSeq: \d+ (MESSAGE|REGISTER)/g;
  for (const { name, text, entered, returned } of calls) {
    if (RECEIVING.has(name)) {
      for (const [, callId = ''] of text.matchAll(requests)) {
        if (!arrivals.has(callId)) arrivals.set(callId, returned);
      }
    } else if (SENDING.has(name)) {
      for (const [, status = '', callId = '', method = ''] of text.matchAll(answers)) {
        const arrived = arrivals.get(callId);
        if (arrived === undefined) continue;
        promised.push({ what: `${status} to ${method} ${callId}`, arrived, left: entered });
      }
    }
  }
  return promised;
}

/** The first BYE of each dialog, promised by the last MSRP 200 that arrived before it. */
export function byesOf(calls: readonly SystemCall[]): readonly Promised[] {
  const promised = new Map<string, Promised>();
  let arrived = 0;
  for (const { name, text, entered, returned } of calls) {
    if (RECEIVING.has(name) && /"MSRP \w+ 200|\\nMSRP \w+ 200/.test(text)) arrived = returned;
    if (!SENDING.has(name)) continue;
    const callId = /"BYE sip:.*?Call-ID: (\S+?)\\r/.exec(text)?.[1];
    if (callId === undefined || promised.has(callId)) continue;
    promised.set(callId, { what: `BYE ${callId}`, arrived, left: entered });
  }
  return [...promised.values()];
}

/** Every 200 to a SEND that was the last of its message: its end-line has `$`. */
export function sendsOf(calls: readonly SystemCall[]): readonly Promised[] {
  const arrivals = new Map<string, number>();
  const promised: Promised[] = [];
  for (const { name, text, entered, returned } of calls) {
    if (RECEIVING.has(name)) {
      for (const [, tid = ''] of text.matchAll(/\\r\\n-------(\w+)\$\\r\\n/g)) {
        arrivals.set(tid, returned);
      }
    } else if (SENDING.has(name)) {
      for (const [, tid = ''] of text.matchAll(/MSRP (\w+) 200/g)) {
        const arrived = arrivals.get(tid);
        if (arrived !== undefined)
          promised.push({ what: `200 to SEND ${tid}`, arrived, left: entered });
      }
    }
  }
  return promised;
}

/** Those that left with no whole commit between what arrived and themselves. */
export function unflushed(
  promised: readonly Promised[],
  commits: readonly Commit[],
): readonly string[] {
  return promised
    .filter(
      ({ arrived, left }) =>
        !commits.some(({ began, flushed }) => began > arrived && flushed < left),
    )
    .map(({ what }) => what);
}

/** The commit that first wrote these octets, as strace prints them; `undefined`: none did, whole. */
export function commitWith(calls: readonly SystemCall[], octets: string): Commit | undefined {
  const wrote = calls.find(({ name, text }) => WRITING.has(name) && text.includes(octets));
  if (wrote === undefined) return undefined;
  return commitsOf(calls).find(
    ({ began, flushed }) => began <= wrote.entered && wrote.returned < flushed,
  );
}
