/**
 * A process of its own that sends MESSAGEs as fast as a window allows, or at a steady rate, and
 * prints what came back as one line of JSON. The requests are made before the clock runs, and of an
 * answer only status and branch are read: what is measured is the server.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface DepositLoad {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly port: number;
  readonly count: number;
  readonly inFlight: number;
  /** Requests per second; absent: as fast as the window allows. */
  readonly rate?: number;
  /** What makes the Call-IDs of this run its own. */
  readonly run: string;
  /** One subscriber for all; absent: the 200 of the SIPp scenario in turn. */
  readonly user?: string;
  /** Octets of each body; absent: a sentence. */
  readonly bodyBytes?: number;
}

export interface DepositReport {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Requests sent again for want of an answer (RFC 3261 §17.1.2.2). */
  readonly repeated: number;
  /** How many answers had each status; an echo of a request counts as status 0. */
  readonly statuses: Readonly<Record<string, number>>;
}

/** The subscribers of the SIPp scenario. */
const ACCOUNTS = 200;
const T1_MS = 500;
const BRANCH = 'z9hG4bK-';
const SERIAL_DIGITS = 8;

function request(load: DepositLoad, serial: number, local: string): Buffer {
  const user = load.user ?? `sleeper${String((serial % ACCOUNTS) + 1).padStart(3, '0')}`;
  const branch = `${BRANCH}${String(serial).padStart(SERIAL_DIGITS, '0')}-${load.run}`;
  const sentence =
    `${load.run}.${serial}: the subscriber is away; ` +
    `please keep this for ${user} until the next registration.`;
  const body = sentence.padEnd(load.bodyBytes ?? 0, ' and again');
  return Buffer.from(
    [
      `MESSAGE sip:${user}@example.org SIP/2.0`,
      `Via: SIP/2.0/${load.transport.toUpperCase()} ${local};branch=${branch}`,
      'Max-Forwards: 70',
      `From: "Bob" <sip:bob@example.org>;tag=${load.run}t${serial}`,
      `To: <sip:${user}@example.org>`,
      `Call-ID: ${serial}-${load.run}@127.0.0.1`,
      'CSeq: 1 MESSAGE',
      'P-Asserted-Identity: "Bob" <sip:bob@example.org>',
      'Accept-Contact: *;+g.oma.sip-im',
      'User-Agent: IM-client/OMA1.0 load/1.0',
      `Subject: message ${serial}`,
      'Content-Type: text/plain;charset=UTF-8',
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  );
}

interface Wire {
  readonly local: string;
  send(octets: Buffer): void;
  close(): void;
}

async function udp(port: number, answered: (octets: Buffer) => void): Promise<Wire> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setRecvBufferSize(4 * 1024 * 1024);
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('message', answered);
  return {
    local: `127.0.0.1:${socket.address().port}`,
    send: (octets) => socket.send(octets),
    close: () => socket.close(),
  };
}

async function stream(
  socket: Socket,
  connected: string,
  answered: (octets: Buffer) => void,
): Promise<Wire> {
  await once(socket, connected);
  socket.setNoDelay(true);
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    // Answers to MESSAGE have no body here: each ends with its head.
    for (let end = octets.indexOf('\r\n\r\n'); end >= 0; end = octets.indexOf('\r\n\r\n', from)) {
      answered(octets.subarray(from, end));
      from = end + 4;
    }
    rest = octets.subarray(from);
  });
  return {
    local: `127.0.0.1:${socket.localPort}`,
    send: (octets) => void socket.write(octets),
    close: () => socket.destroy(),
  };
}

function wireTo(
  { transport, port }: DepositLoad,
  answered: (octets: Buffer) => void,
): Promise<Wire> {
  const at = { port, host: '127.0.0.1' };
  switch (transport) {
    case 'udp':
      return udp(port, answered);
    case 'tcp':
      return stream(connect(at), 'connect', answered);
    case 'tls':
      // Who the server is does not matter here, only what it costs.
      return stream(connectTls({ ...at, rejectUnauthorized: false }), 'secureConnect', answered);
  }
}

async function drive(load: DepositLoad): Promise<DepositReport> {
  const { count, inFlight, rate } = load;
  const sentAt = new Float64Array(count);
  const tookMs = new Float64Array(count).fill(-1);
  const statuses: Record<string, number> = {};
  let sent = 0;
  let done = 0;
  let repeated = 0;
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const wire = await wireTo(load, (octets) => {
    const at = octets.indexOf(BRANCH) + BRANCH.length;
    const serial = Number(octets.toString('latin1', at, at + SERIAL_DIGITS));
    if ((tookMs[serial] ?? 0) >= 0) return;
    tookMs[serial] = performance.now() - (sentAt[serial] ?? 0);
    const status = Number(octets.toString('latin1', 8, 11)) || 0;
    statuses[status] = (statuses[status] ?? 0) + 1;
    done += 1;
    if (done === count) finish();
    else if (rate === undefined && sent < count) next();
  });
  const requests = Array.from({ length: count }, (_, serial) => request(load, serial, wire.local));
  const send = (serial: number): void => {
    const octets = requests[serial];
    sentAt[serial] = performance.now();
    if (octets) wire.send(octets);
  };
  const next = (): void => {
    send(sent);
    sent += 1;
  };
  const began = performance.now();
  let oldest = 0;
  const repeat = setInterval(() => {
    while (oldest < sent && (tookMs[oldest] ?? 0) >= 0) oldest += 1;
    for (let serial = oldest; load.transport === 'udp' && serial < sent; serial += 1) {
      const lateMs = performance.now() - (sentAt[serial] ?? 0);
      if ((tookMs[serial] ?? 0) >= 0 || lateMs < T1_MS) continue;
      repeated += 1;
      send(serial);
    }
  }, T1_MS / 5);
  if (rate === undefined) while (sent < Math.min(inFlight, count)) next();
  else {
    const pace = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - began) * rate) / 1000) + 1);
      while (sent < due) next();
      if (sent === count) clearInterval(pace);
    }, 1);
  }
  await finished;
  const seconds = (performance.now() - began) / 1000;
  clearInterval(repeat);
  wire.close();
  tookMs.sort();
  const share = (part: number) => tookMs[Math.min(count - 1, Math.floor(count * part))] ?? 0;
  return {
    perSecond: count / seconds,
    p50Ms: share(0.5),
    p99Ms: share(0.99),
    maxMs: share(1),
    repeated,
    statuses,
  };
}

const report = await drive(JSON.parse(process.argv[2] ?? '{}') as DepositLoad);
process.stdout.write(`${JSON.stringify(report)}\n`);
