/** MSRP frames read and written by hand, so that our own framing is not its own witness. */

export interface RelayFrame {
  readonly direction: 'in' | 'out';
  readonly tid: string;
  /** Absent in a response. */
  readonly method?: string;
  readonly status?: number;
  readonly toPath: readonly string[];
  readonly fromPath: readonly string[];
  /** The others by name, in order. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent without a blank line after the headers. */
  readonly body?: Buffer;
  readonly flag: string;
  readonly octets: Buffer;
}

export interface FrameParts {
  readonly tid: string;
  /** `SEND`, or `200 OK`. */
  readonly says: string;
  readonly toPath: readonly string[];
  readonly fromPath: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Needs a Content-Type, which goes last. */
  readonly body?: Uint8Array;
  readonly flag?: '$' | '+' | '#';
}

const START = /^MSRP ([^ ]+) (?:([A-Z]+)|(\d{3})(?: .*)?)\r\n/;
const FLAG_AND_LINE_BREAK = 3;

export function frameOctets(parts: FrameParts): Buffer {
  const { tid, says, toPath, fromPath, headers = {}, body, flag = '$' } = parts;
  const lines = [
    `MSRP ${tid} ${says}`,
    `To-Path: ${toPath.join(' ')}`,
    `From-Path: ${fromPath.join(' ')}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n`);
  const end = Buffer.from(`-------${tid}${flag}\r\n`);
  if (body === undefined) return Buffer.concat([head, end]);
  return Buffer.concat([head, Buffer.from('\r\n'), body, Buffer.from('\r\n'), end]);
}

/** Takes what comes in and gives the frames that are whole; throws where there is none. */
export function frameReader(): (chunk: Buffer) => readonly RelayFrame[] {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    const frames: RelayFrame[] = [];
    for (let frame = firstFrame(pending); frame; frame = firstFrame(pending)) {
      frames.push(frame);
      pending = pending.subarray(frame.octets.length);
    }
    return frames;
  };
}

export function readFrame(octets: Buffer, direction: RelayFrame['direction']): RelayFrame {
  const frame = firstFrame(octets);
  if (!frame) throw new Error(`no whole frame: ${octets.toString('latin1')}`);
  return { ...frame, direction };
}

function firstFrame(octets: Buffer): RelayFrame | undefined {
  if (!octets.includes('\n')) return undefined;
  const [, tid, method, status] = START.exec(octets.toString('latin1', 0, 128)) ?? [];
  if (tid === undefined) throw new Error(`not MSRP: ${octets.toString('latin1', 0, 128)}`);
  const end = octets.indexOf(`\r\n-------${tid}`);
  const length = end + 2 + 7 + tid.length + FLAG_AND_LINE_BREAK;
  if (end < 0 || octets.length < length) return undefined;
  const blank = octets.indexOf('\r\n\r\n');
  const hasBody = blank >= 0 && blank < end;
  const text = octets.toString('latin1', 0, hasBody ? blank : end);
  const { 'To-Path': to = '', 'From-Path': from = '', ...headers } = headersOf(text);
  return {
    direction: 'in',
    tid,
    ...(method === undefined ? { status: Number(status) } : { method }),
    toPath: to.split(' '),
    fromPath: from.split(' '),
    headers,
    ...(hasBody ? { body: Buffer.from(octets.subarray(blank + 4, Math.max(end, blank + 4))) } : {}),
    flag: octets.toString('latin1', length - FLAG_AND_LINE_BREAK, length - 2),
    octets: Buffer.from(octets.subarray(0, length)),
  };
}

function headersOf(text: string): Record<string, string> {
  const pairs = text
    .split('\r\n')
    .slice(1)
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  return Object.fromEntries(pairs);
}
