/** What the endpoint under test wrote, read by rules of this set's own, not by the code under test. */

export interface WrittenFrame {
  readonly tid: string;
  /** `SEND`, `REPORT` or a status. */
  readonly is: string | number;
  readonly to: readonly string[];
  readonly from: readonly string[];
  /** Names as written, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | null;
  readonly flag: string;
}

export interface Reader {
  /** Frames that are whole, in order. Throws on what no frame can be, naming the requirement. */
  read(octets: string): readonly WrittenFrame[];
}

const START = /^MSRP ([A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}) (?:([A-Z]+)|(\d{3})(?: [^\r\n]*)?)$/;
const HEADER = /^([A-Za-z][!#-'*+\-.0-9A-Z^-~]*): ([^\r\n]*)$/;

export function header(frame: WrittenFrame, name: string): string | undefined {
  return frame.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
}

export function frameReader(): Reader {
  let held = '';
  return {
    read(octets) {
      held += octets;
      const frames: WrittenFrame[] = [];
      for (let next = readFrame(held); next !== undefined; next = readFrame(held)) {
        frames.push(next.frame);
        held = held.slice(next.length);
      }
      return frames;
    },
  };
}

function readFrame(text: string): { frame: WrittenFrame; length: number } | undefined {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) return undefined;
  const [, tid, method, status] = START.exec(text.slice(0, lineEnd)) ?? [];
  if (tid === undefined) throw new Error(`[9-1] no start line: ${text.slice(0, 80)}`);
  const end = `\r\n-------${tid}`;
  const at = endOf(text, end);
  if (at < 0) return undefined;
  const blank = text.indexOf('\r\n\r\n');
  const split = blank >= 0 && blank < at;
  const head = text.slice(lineEnd + 2, split ? blank : at).split('\r\n');
  const headers = head.map((line) => {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`[9-5] no header: ${line}`);
    return [name, value] as const;
  });
  const [to, from] = headers;
  if (to?.[0] !== 'To-Path' || from?.[0] !== 'From-Path') {
    throw new Error('[9-3] To-Path and From-Path do not come first');
  }
  const frame = {
    tid,
    is: method ?? Number(status),
    to: to[1].split(' '),
    from: from[1].split(' '),
    headers: headers.slice(2),
    body: split ? text.slice(blank + 4, at) : null,
    flag: text.charAt(at + end.length),
  };
  return { frame, length: at + end.length + 3 };
}

/** Where the end-line's CRLF is; -1 when it is not whole yet. */
function endOf(text: string, end: string): number {
  for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, at + 1)) {
    if (/^[$+#]\r\n/.test(text.slice(at + end.length, at + end.length + 3))) return at;
  }
  return -1;
}
