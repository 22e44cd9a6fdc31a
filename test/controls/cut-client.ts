/** A client of pushes whose MSRP connections are cut where a test says; its framing is its own. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { freePort } from '../../src/adapters/ua/free-port.ts';
import type { Cut } from './cuts.ts';
import { frameOctets, frameReader, type RelayFrame } from './msrp-relay-frames.ts';

const HOST = '127.0.0.1';

/** Absent: it is not cut. */
export interface CutPlan {
  readonly how: Cut;
  /** Octets of the server that reach the client. */
  readonly heard?: number;
  /** Octets of its answers that the client gets rid of. */
  readonly said?: number;
}

/** What became of one connection. */
export interface CutConnection {
  /** The SENDs that came whole, in order. */
  readonly sends: readonly RelayFrame[];
  /** Those of them whose 200 left whole. */
  readonly answered: readonly RelayFrame[];
  /** Its answers, as far as they left. */
  readonly answers: readonly Buffer[];
}

export interface CutClient {
  readonly port: number;
  readonly uri: string;
  /** To be asked for before the server connects; resolves when the connection is closed. */
  connection(plan?: CutPlan): Promise<CutConnection>;
  close(): void;
}

export async function cutClient(): Promise<CutClient> {
  const port = await freePort(HOST, 0, 'tcp');
  const uri = `msrp://${HOST}:${port}/2s93i9ek2a;tcp`;
  const plans: ((socket: Socket) => void)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const take = plans.shift();
    if (take === undefined) socket.destroy();
    else take(socket);
  }).listen(port, HOST);
  await once(server, 'listening');

  return {
    ...{ port, uri },
    connection: (plan) =>
      new Promise((resolve) => plans.push((socket) => play(socket, uri, plan, resolve))),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function play(
  socket: Socket,
  uri: string,
  plan: CutPlan | undefined,
  resolve: (became: CutConnection) => void,
): void {
  const { heard: heardMax = Number.POSITIVE_INFINITY, said: saidMax = Number.POSITIVE_INFINITY } =
    plan ?? {};
  const read = frameReader();
  const sends: RelayFrame[] = [];
  const answered: RelayFrame[] = [];
  const answers: Buffer[] = [];
  let [heard, said] = [0, 0];
  let over = false;

  function cut(): void {
    if (over) return;
    over = true;
    if (plan?.how === 'rst') socket.write('', () => socket.resetAndDestroy());
    else socket.end();
  }

  function answer(frame: RelayFrame): void {
    const { tid, fromPath } = frame;
    const octets = frameOctets({ tid, says: '200 OK', toPath: fromPath, fromPath: [uri] });
    const left = octets.subarray(0, saidMax - said);
    socket.write(left);
    answers.push(left);
    said += left.length;
    if (left.length === octets.length) answered.push(frame);
    if (said === saidMax) cut();
  }

  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    if (over) return;
    const reached = chunk.subarray(0, heardMax - heard);
    heard += reached.length;
    for (const frame of read(reached)) {
      if (frame.method !== 'SEND') continue;
      sends.push(frame);
      if (!over) answer(frame);
    }
    if (heard === heardMax) cut();
  });
  socket.once('close', () => resolve({ sends, answered, answers }));
  if (heardMax === 0) cut();
}
