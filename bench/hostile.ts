/**
 * What hostile requests cost a running server: CPU time of its process, all threads, for one of
 * 64 KiB and for one of 16 KiB of the same shape, each with the small OPTIONS that shows that it
 * was read. Four times the octets may cost six times as much; a quadratic reader comes to sixteen.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type Line, type ScriptedPeer, scriptedPeer } from '../test/controls/scripted-peer.ts';
import {
  hostileRequest,
  plainOptions,
  SHAPE_NAMES,
  type Shape,
} from '../test/controls/scripted-peer-hostile.ts';
import { type Server, startServer } from '../test/controls/server.ts';

interface Result {
  readonly what: string;
  readonly figure: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly floor?: string;
}

type Transport = 'UDP' | 'TCP';

const ROUNDS = 5;
const REQUESTS = 20;
const RATIO_MAX = 6;
const SMALL_BYTES = 16 * 1024;
/** 64 KiB, less what UDP over IPv4 takes for its headers. */
const LARGE_BYTES = 65_507;

let serial = 0;

/** Nanoseconds on a CPU of all threads of a process, finer than the ticks of /proc/PID/stat. */
function cpuNs(pid: number | undefined): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks)
    .map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ', 1)[0]))
    .reduce((sum, ns) => sum + ns, 0);
}

/** CPU microseconds for one request of the shape and the OPTIONS behind it. */
async function cost(
  server: Server,
  peer: ScriptedPeer,
  watch: Line,
  request: { readonly shape: Shape; readonly bytes: number; readonly transport: Transport },
): Promise<number> {
  const { shape, bytes, transport } = request;
  // The answers of a stream come on a line of its own each time: a refused stream is closed.
  const lines: Line[] = [];
  for (let count = 0; count < REQUESTS; count += 1) {
    const shared = transport === 'UDP' && lines[0];
    lines.push(
      shared ||
        (await (transport === 'UDP'
          ? peer.datagrams(server.sipPort)
          : peer.connect(server.sipPort))),
    );
  }
  const before = cpuNs(server.process.pid);
  for (const line of lines) {
    serial += 1;
    line.send(hostileRequest(shape, { bytes, token: `h${serial}`, transport }));
    watch.send(plainOptions(`w${serial}`, 'UDP'));
    await watch.next();
  }
  const spent = cpuNs(server.process.pid) - before;
  for (const line of lines) line.close();
  return spent / REQUESTS / 1000;
}

async function growth(transport: Transport): Promise<readonly Result[]> {
  const server = await startServer({ args: ['--log-level', 'silent'] });
  const peer = scriptedPeer();
  const results: Result[] = [];
  try {
    const watch = await peer.datagrams(server.sipPort);
    for (const shape of SHAPE_NAMES) {
      // In turn, so that both meet the same neighbours; the least is what it costs.
      let [small, large] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let round = 0; round <= ROUNDS; round += 1) {
        const one = await cost(server, peer, watch, { shape, bytes: SMALL_BYTES, transport });
        const other = await cost(server, peer, watch, { shape, bytes: LARGE_BYTES, transport });
        small = Math.min(small, one);
        large = Math.min(large, other);
      }
      const ratio = large / small;
      const verdict = ratio > RATIO_MAX ? ` ABOVE ${RATIO_MAX}` : '';
      if (ratio > RATIO_MAX) process.exitCode = 1;
      const unit = 'µs of CPU for 64 KiB';
      const floor = `16 KiB (at most ${RATIO_MAX})`;
      results.push({ what: `${shape}${verdict}`, figure: large, unit, ratio, floor });
    }
    return results;
  } finally {
    peer.close();
    await server.remove();
  }
}

export const benches = [
  { name: 'hostile requests over UDP', run: () => growth('UDP') },
  { name: 'hostile requests over TCP', run: () => growth('TCP') },
];
