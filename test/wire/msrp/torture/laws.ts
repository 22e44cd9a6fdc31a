/** What holds for every frame that an endpoint writes, whatever the case: duties of senders. */
import type { EndpointSetup } from './cases.ts';
import { header, type WrittenFrame } from './written-frames.ts';

export interface Laws {
  /** What the frame breaks, each with the number of its requirement. */
  broken(frame: WrittenFrame): readonly string[];
}

interface Message {
  next: number;
  over: boolean;
  readonly reports: string;
}

const UNINTERRUPTED_BYTES_MAX = 2048;
const OTHER_BODY_BYTES_MAX = 10_240;
/** 67 characters hold six bits each: 64 bits need eleven. */
const TID_CHARACTERS_MIN = 11;

/** Laws over the frames of one session, in the order they were written. */
export function sessionLaws({ localUri, remotePath }: EndpointSetup): Laws {
  const tids = new Set<string>();
  const messages = new Map<string, Message>();

  function broken(frame: WrittenFrame): readonly string[] {
    const found: string[] = [];
    const law = (id: string, holds: boolean, says: string) => {
      if (!holds) found.push(`[${id}] ${says}: ${frame.is} ${frame.tid}`);
    };
    const mime = frame.headers.filter(([name]) => /^content-/i.test(name));
    if (frame.body === null) law('7.1-7', mime.length === 0, 'a MIME header without a body');
    else {
      const last = frame.headers.at(-1)?.[0];
      law('7.1-3', header(frame, 'Content-Type') !== undefined, 'a body without Content-Type');
      law('7.1-4', last === 'Content-Type', 'Content-Type is not the last header');
      // At the beginning of a line it would have ended the frame for the reader, too.
      const inside = frame.body.split(`-------${frame.tid}`).slice(1);
      law('7.1-14', !inside.some((rest) => /^[$+#]/.test(rest)), 'the end-line is in the body');
    }
    law('7.1.1-19', header(frame, 'Content-Transfer-Encoding') === undefined, 'encoded');
    if (typeof frame.is === 'number') {
      law('7.2-5', frame.flag === '$' && frame.body === null, 'a response with flag or body');
      const ours = frame.from.length === 1 && frame.from[0] === localUri;
      law('7.2-5', ours || frame.is === 481 || frame.is === 506, 'From-Path is not our URI');
      return found;
    }
    law('7.1-1', !tids.has(frame.tid), 'the transaction id was used before');
    law('7.1-2', frame.tid.length >= TID_CHARACTERS_MIN, 'fewer than 64 bits');
    tids.add(frame.tid);
    law('7.1', frame.from.join(' ') === localUri, 'From-Path is not our URI');
    if (frame.is !== 'SEND') {
      law('7.1-6', (frame.body ?? '').length <= OTHER_BODY_BYTES_MAX, 'a body of more than 10240');
    }
    if (frame.is === 'REPORT') {
      law('7.1.2-1', header(frame, 'Success-Report') === undefined, 'Success-Report in a REPORT');
      law('7.1.2-1', header(frame, 'Failure-Report') === undefined, 'Failure-Report in a REPORT');
      law('7.1.2-2', /^\d{3} \d{3}/.test(header(frame, 'Status') ?? ''), 'no Status');
      law('7.1.2-3', header(frame, 'Message-ID') !== undefined, 'no Message-ID');
    } else if (frame.is === 'SEND') {
      law('8.2-6', frame.to.join(' ') === remotePath.join(' '), 'To-Path is not the path');
      chunk(frame, law);
    }
    return found;
  }

  function chunk(
    frame: WrittenFrame,
    law: (id: string, holds: boolean, says: string) => void,
  ): void {
    const id = header(frame, 'Message-ID');
    law('7.1.1-2', id !== undefined, 'no Message-ID');
    const range = header(frame, 'Byte-Range');
    const [, start, end, total] = /^(\d+)-(\d+|\*)\/(\d+|\*)$/.exec(range ?? '') ?? [];
    law('9-8', range === undefined || start !== undefined, 'a malformed Byte-Range');
    const reports = `${header(frame, 'Success-Report')} ${header(frame, 'Failure-Report')}`;
    const known = messages.get(id ?? '');
    const length = (frame.body ?? '').length;
    const message = known ?? { next: 1, over: false, reports };
    law('7.1.1-10', known === undefined || range !== undefined, 'a later chunk without Byte-Range');
    law('7.1.1-11', Number(start ?? 1) === message.next, 'range-start is not the next octet');
    law('7.1.1-4', message.reports === reports, 'other reports than in the first chunk');
    law('10.5-1', !message.over, 'a chunk after the last');
    const interruptible = end === '*';
    law('5.1-1', interruptible || length <= UNINTERRUPTED_BYTES_MAX, 'not interruptible');
    const ends = end === undefined || interruptible || Number(end) === message.next + length - 1;
    law('7.1.1-12', ends, 'range-end is not the last octet');
    message.next += length;
    message.over = frame.flag !== '+';
    const whole = total === undefined || total === '*' || Number(total) === message.next - 1;
    law('7.1-11', frame.flag !== '$' || whole, '$ before the last octet');
    law('7.1-13', frame.flag !== '+' || !whole || total === undefined || total === '*', '+ at it');
    law('7.1.1-20', frame.flag !== '+' || length >= UNINTERRUPTED_BYTES_MAX, 'a small chunk');
    messages.set(id ?? '', message);
  }

  return { broken };
}
