import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { sipFramer } from '../../../src/wire/sip/framing.ts';
import { parseSip, renderSip, type SipMessage } from '../../../src/wire/sip/message.ts';
import { mailbox } from './loopback-peer.ts';

export interface Frame {
  /** Method or status. */
  readonly what: string;
  readonly tid: string;
  /** By their names as written. */
  readonly headers: Readonly<Record<string, string>>;
  /** One character is one octet. */
  readonly body: string;
  readonly flag: string;
}

/** The server's end of an MSRP connection: reads and writes frames, and knows no rule of theirs. */
export function msrpConnection(socket: Socket) {
  const frames = mailbox<Frame | 'closed'>();
  let held = '';
  socket.on('error', () => {});
  socket.on('close', () => frames.put('closed'));
  socket.setEncoding('latin1');
  socket.on('data', (more: string) => {
    held += more;
    for (;;) {
      const frame = FRAME.exec(held);
      if (frame?.groups === undefined) return;
      held = held.slice(frame[0].length);
      const { what = '', tid = '', head = '', body = '', flag = '' } = frame.groups;
      const lines = head.split('\r\n').filter((line) => line !== '');
      const headers = Object.fromEntries(lines.map((line) => line.split(': ')));
      frames.put({ what, tid, headers, body, flag });
    }
  });
  const write = (...lines: string[]) => socket.write(lines.map((line) => `${line}\r\n`).join(''));
  const paths = ({ headers }: Frame) => [
    `To-Path: ${headers['From-Path']}`,
    `From-Path: ${headers['To-Path']}`,
  ];
  const answer = (frame: Frame, status: number) =>
    write(`MSRP ${frame.tid} ${status}`, ...paths(frame), `-------${frame.tid}$`);
  return {
    next: frames.take,
    /** The next SEND; the one that only binds the session is answered here (RFC 4975 §5.4). */
    async send(): Promise<Frame> {
      for (;;) {
        const frame = await frames.take();
        if (frame === 'closed' || frame.what !== 'SEND') throw new Error('not a SEND');
        const binds = frame.flag === '$' && frame.headers['Content-Type'] === undefined;
        if (!binds) return frame;
        answer(frame, 200);
      }
    },
    answer,
    report: (frame: Frame, range: string, status: string) =>
      write(
        ...[`MSRP r${frame.tid} REPORT`, ...paths(frame)],
        ...[`Message-ID: ${frame.headers['Message-ID']}`, `Byte-Range: ${range}`],
        ...[`Status: 000 ${status}`, `-------r${frame.tid}$`],
      ),
    /** The SEND without a body by which somebody who connected says which session he is of. */
    bind: (toPath: string, fromPath: string) =>
      write(
        ...['MSRP b1nd SEND', `To-Path: ${toPath}`, `From-Path: ${fromPath}`],
        ...['Message-ID: b1nd', 'Byte-Range: 1-0/0', '-------b1nd$'],
      ),
    drop: () => socket.destroy(),
  };
}

const FRAME = new RegExp(
  '^MSRP (?<tid>\\S+) (?<what>\\S+)[^\\r]*\\r\\n(?<head>(?:[A-Z][\\w-]*: [^\\r]*\\r\\n)*)' +
    '(?:\\r\\n(?<body>.*?)\\r\\n)?-------\\k<tid>(?<flag>[$+#])\\r\\n',
  's',
);

/** The value of an SDP attribute in a message. */
export const attribute = ({ body }: SipMessage, name: string) =>
  new RegExp(`^a=${name}:(.*)\r$`, 'm').exec(new TextDecoder().decode(body))?.[1] ?? '';

/** SIP as it comes, on one port; everything goes out to where the last message came from. */
async function sipPort(transport: 'udp' | 'tcp') {
  const inbox = mailbox<SipMessage>();
  let send = (_octets: Uint8Array): void => {};
  if (transport === 'udp') {
    const socket = createSocket('udp4');
    socket.on('message', (octets, { port }) => {
      const parsed = parseSip(octets, 'datagram');
      if (parsed.kind === 'refusal') throw new Error(parsed.reason);
      send = (answer) => socket.send(answer, port, '127.0.0.1');
      inbox.put(parsed.message);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    return {
      port,
      next: inbox.take,
      send: (to: Uint8Array) => send(to),
      close: () => socket.close(),
    };
  }
  const server = createServer((socket) => {
    const framer = sipFramer();
    socket.on('error', () => {});
    socket.on('data', (octets) => {
      for (const framed of framer.push(octets)) {
        if (framed.kind !== 'message') throw new Error(`the server got a ${framed.kind}`);
        send = (answer) => socket.write(answer);
        inbox.put(framed.message);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    next: inbox.take,
    send: (to: Uint8Array) => send(to),
    close: () => server.close(),
  };
}

type Headers = readonly (readonly [string, string])[];
export interface Answer {
  readonly status: number;
  readonly headers?: Headers;
  readonly sdp?: string;
}

export type LargeServer = Awaited<ReturnType<typeof largeServer>>;

/** A store that takes what is sent to it, and does what the test tells it. */
export async function largeServer(transport: 'udp' | 'tcp') {
  const store = await scriptedStore(transport);
  const established = async () => {
    const invite = await store.request('INVITE');
    store.answer(invite, { status: 200, sdp: store.sdp() });
    const ack = await store.request('ACK');
    return { invite, ack, msrp: await store.connection() };
  };
  const hangUp = async () => {
    const bye = await store.request('BYE');
    store.answer(bye, { status: 200 });
    return bye;
  };
  return {
    ...store,
    /** INVITE, 200 and ACK of a session that the client connects in. */
    established,
    /** Answers the client's BYE. */
    hangUp,
    /** The SEND of a session with one, answered, from its INVITE to its BYE. */
    async take(status: number): Promise<Frame> {
      const { msrp } = await established();
      const frame = await msrp.send();
      msrp.answer(frame, status);
      await hangUp();
      return frame;
    },
  };
}

async function scriptedStore(transport: 'udp' | 'tcp') {
  const sip = await sipPort(transport);
  const connections = mailbox<ReturnType<typeof msrpConnection>>();
  const msrp = createServer((socket) => connections.put(msrpConnection(socket)));
  msrp.listen(0, '127.0.0.1');
  await once(msrp, 'listening');
  const { port } = msrp.address() as AddressInfo;
  const path = `msrp://127.0.0.1:${port}/rx8c1v0n3z;tcp`;
  const contact = `sip:im-store@im.example.org;transport=${transport}`;

  return {
    address: { host: '127.0.0.1', port: sip.port, transport },
    path,
    contact,
    /** What the store describes: it receives, and by default waits for the connection. */
    sdp: (setup = 'passive') =>
      [
        'v=0\r\no=im-store 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0',
        `m=message ${port} TCP/MSRP *\r\na=recvonly\r\na=accept-types:*`,
        `a=setup:${setup}\r\na=max-size:10485760\r\na=path:${path}\r\n`,
      ].join('\r\n'),
    next: sip.next,
    /** The next message that is no repetition of this one; it has to be this request. */
    async request(method: string): Promise<SipMessage> {
      const message = await sip.next();
      const { start } = message;
      if (start.kind === 'request' && start.method === method) return message;
      throw new Error(`not a ${method} but ${JSON.stringify(start)}`);
    },
    answer(request: SipMessage, { status, headers = [], sdp }: Answer): void {
      const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].flatMap((name) =>
        request.all(name.toLowerCase()).map((value) => [name, value] as const),
      );
      const to = request.first('to') ?? '';
      const tagged = to.includes(';tag=') ? to : `${to};tag=im-e240`;
      const typed = sdp === undefined ? [] : [['Content-Type', 'application/sdp'] as const];
      const all = [...mirrored, ['To', tagged] as const, ['Contact', `<${contact}>`] as const];
      const start = { kind: 'response', status, reason: 'Said the store' } as const;
      const body = new TextEncoder().encode(sdp);
      sip.send(renderSip({ start, headers: [...all, ...headers, ...typed], body }));
    },
    /** A request in the dialog of this INVITE. */
    say(method: string, invite: SipMessage): void {
      const [, uri = ''] = /<([^>]+)>/.exec(invite.first('contact') ?? '') ?? [];
      const start = { kind: 'request', method, uri } as const;
      const via = `SIP/2.0/${transport.toUpperCase()} 127.0.0.1:${sip.port};branch=z9hG4bK-${method}`;
      const headers: Headers = [
        ['Via', via],
        ['From', `${invite.first('to')};tag=im-e240`],
        ['To', invite.first('from') ?? ''],
        ['Call-ID', invite.first('call-id') ?? ''],
        ['CSeq', `7 ${method}`],
        ['Max-Forwards', '70'],
      ];
      sip.send(renderSip({ start, headers }));
    },
    /** The client's next connection to our path. */
    connection: connections.take,
    /** A connection to the path of the client's session description. */
    async connectTo(message: SipMessage) {
      const [, to] = /:(\d+)\//.exec(attribute(message, 'path')) ?? [];
      const socket = connect(Number(to), '127.0.0.1');
      await once(socket, 'connect');
      return msrpConnection(socket);
    },
    close() {
      msrp.close();
      sip.close();
    },
  };
}
