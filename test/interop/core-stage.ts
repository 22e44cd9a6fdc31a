/** Kamailio in front of real servers, and clients that speak to Kamailio alone. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Receiver, type ReceiverOptions, receiver } from '../../src/adapters/ua/receiver.ts';
import { type SentMessage, sendMessages } from '../../src/adapters/ua/send-messages.ts';
import {
  openSipStack,
  type ServerAddress,
  type UaAnswer,
} from '../../src/adapters/ua/sip-stack.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { serverBuild } from '../controls/defects.ts';
import { type Kamailio, kamailioPorts, startKamailio } from '../controls/kamailio.ts';
import { readLog } from '../controls/read-log.ts';
import { freePort, type Server, startServer } from '../controls/server.ts';

const HOST = '127.0.0.1';
const DOMAIN = 'example.org';
const SEEN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

export interface CoreStage {
  readonly core: Kamailio;
  /** Those that were started; with `stores` also those that were not have a port. */
  readonly servers: readonly Server[];
  readonly storePorts: readonly number[];
  send(
    bodies: readonly string[],
    headers?: Record<string, string>,
  ): Promise<readonly SentMessage[]>;
  /** One request of a client without a body; CSeq 1. */
  request(
    method: string,
    uri: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<UaAnswer>;
  /** Alice's client; deregistering is the test's business. */
  alice(options?: Partial<ReceiverOptions>): Promise<Receiver>;
  log(server?: number): Promise<readonly Recorded[]>;
  /** Starts a store again that was killed. */
  restart(server: number): Promise<Server>;
  /** Reads the log until it is as wanted; rejects with it when it never is. */
  logged(
    wanted: (log: readonly Recorded[]) => boolean,
    server?: number,
  ): Promise<readonly Recorded[]>;
  close(): Promise<void>;
}

export async function coreStage(options: {
  /** Between the core and the stores, and between clients and the core. */
  readonly coreLink: 'udp' | 'tcp';
  readonly access: 'udp' | 'tcp';
  /** Which of the stores of the set are there; default: one store, and it is. */
  readonly present?: readonly boolean[];
  readonly define?: readonly string[];
  readonly args?: readonly string[];
}): Promise<CoreStage> {
  const { coreLink, access, present = [true], define = [], args = [] } = options;
  // First, since a build that fails must leave nothing running.
  const launcher = await serverBuild();
  const storePorts: number[] = [];
  for (const _ of present) storePorts.push(await freePort());
  const ports = await kamailioPorts();
  const core = await startKamailio({ stores: storePorts, transport: coreLink, define }, ports);
  const servers: Server[] = [];
  const toCore: ServerAddress = { transport: access, host: HOST, port: core.clientPort };

  async function close(): Promise<void> {
    await Promise.all([core.close(), ...servers.map((server) => server.remove())]);
  }
  const words = ['--next-hop', core.nextHop, '--journal', 'full', ...args];
  try {
    for (const [index, sipPort] of storePorts.entries()) {
      if (present[index] !== true) continue;
      servers.push(await startServer({ sipPort, launcher, args: words }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const log = (server = 0) => readLog(servers[server]?.data ?? '');

  return {
    core,
    servers,
    storePorts,
    send: (bodies, headers = {}) =>
      sendMessages({ server: toCore, from: 'bob', to: 'alice', domain: DOMAIN, bodies, headers }),
    async request(method, uri, headers) {
      const stack = await openSipStack({ server: toCore, listen: { host: HOST } });
      const common = { 'max-forwards': '70', cseq: `1 ${method}` };
      try {
        return await stack.request({ method, uri, headers: { ...common, ...headers } });
      } finally {
        stack.close();
      }
    },
    alice: (own = {}) =>
      receiver({ server: toCore, aor: `sip:alice@${DOMAIN}`, listen: { host: HOST }, ...own }),
    log,
    async restart(index) {
      const before = servers[index];
      if (!before) throw new Error(`there is no store ${index}`);
      const { data, sipPort, msrpPort, httpPort } = before;
      const again = await startServer({ data, sipPort, msrpPort, httpPort, launcher, args: words });
      servers.push(again);
      return again;
    },
    async logged(wanted, server = 0) {
      for (let leftMs = SEEN_WITHIN_MS; ; leftMs -= LOOK_EVERY_MS) {
        const seen = await log(server);
        if (wanted(seen)) return seen;
        if (leftMs <= 0) {
          const types = seen.map(({ stream, type }) => `${stream} ${type}`);
          throw new Error(`the log did not become as wanted:\n${types.join('\n')}\n${core.log()}`);
        }
        await pause(LOOK_EVERY_MS);
      }
    },
    close,
  };
}
