/** Who takes part in the story, how each is reached, and how all of them leave. */
import { join } from 'node:path';
import type { EventStore, Views } from '../../engine/ports.ts';
import type { Recorded } from '../../engine/recorded.ts';
import { bounded } from './bounded.ts';
import type { ShownMessage } from './chapter.ts';
import { type ServerProcess, startServer } from './server-process.ts';
import { StoryFailure } from './story-failure.ts';

export interface SipServer {
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp';
}

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly ms: number;
}

interface Received extends ShownMessage {
  readonly duplicate: boolean;
}

/** What the story needs of other rooms; `main.ts` brings it. */
export interface StoryDeps {
  /** Path of `bin/restante`. */
  readonly launcher: string;
  /** Sends the texts one after another. */
  send(options: {
    readonly server: SipServer;
    readonly from: string;
    readonly to: string;
    readonly domain: string;
    readonly subject: string;
    readonly bodies: readonly string[];
  }): Promise<readonly Answer[]>;
  /** Registers a client that takes pushes. */
  receive(options: {
    readonly server: SipServer;
    readonly aor: string;
    readonly listen: { readonly host: string };
  }): Promise<{
    readonly registered: Answer;
    delivery(): Promise<{ readonly ended: string; readonly messages: readonly Received[] }>;
    close(): void;
  }>;
  /** A port that can be bound right now. */
  freePort(host: string, port: 0, transport: 'udp' | 'tcp'): Promise<number>;
  openStore(target: {
    readonly url: string;
    readonly readOnly: true;
  }): Promise<
    | { readonly kind: 'open'; readonly store: EventStore & Views }
    | { readonly kind: 'failure'; readonly what: string }
  >;
  /** The ladder of an account, as text of several lines. */
  drawLadder(records: readonly Recorded[], account: string): string;
  write(text: string): void | Promise<void>;
  /** Aborted when the user wants it to end. */
  readonly interrupted: AbortSignal;
}

const HOST = '127.0.0.1';
/** Whose users the server has mailboxes for. */
export const DOMAIN = 'example.org';

/** Who takes part: the server's present process, the store, and what must be ended. */
export function castOf(deps: StoryDeps, folder: string) {
  let ports: { readonly sip: number; readonly msrp: number; readonly http: number } | undefined;
  const atTheEnd: (() => void)[] = [];
  let left = false;
  const cast = {
    deps,
    folder,
    server: undefined as ServerProcess | undefined,
    /** At once when the story is over: a client may come too late. */
    atTheEnd(undo: () => void) {
      if (left) undo();
      else atTheEnd.push(undo);
    },
    /** Waits no longer than it should, than the user wants, and than the server lives. */
    wait<Result>(what: string, work: Promise<Result>): Promise<Result> {
      const died = cast.server?.exited.then((how): never => {
        throw new StoryFailure(`the server ended (${how}) while the story waited for ${what}`);
      });
      return bounded(what, died ? Promise.race([work, died]) : work, deps);
    },
    /** The same ports again after a restart, or the client would talk to nobody. */
    async start(): Promise<ServerProcess> {
      ports ??= {
        sip: await deps.freePort(HOST, 0, 'udp'),
        msrp: await deps.freePort(HOST, 0, 'tcp'),
        http: await deps.freePort(HOST, 0, 'tcp'),
      };
      const listen = [
        ['--sip-listen', `udp://${HOST}:${ports.sip}`],
        ['--msrp-listen', `${HOST}:${ports.msrp}`],
        ['--http-listen', `${HOST}:${ports.http}`],
      ];
      const args = ['--domain', DOMAIN, '--data', folder, ...listen.flat()];
      const server = startServer(deps.launcher, args);
      cast.server = server;
      await bounded('the server to be ready', server.ready, deps);
      return server;
    },
    async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
      const { server } = cast;
      server?.kill(signal);
      if (server) await bounded(`the server to end by ${signal}`, server.exited, deps);
    },
    sip: (): SipServer => ({ host: HOST, port: ports?.sip ?? 0, transport: 'udp' }),
    async leave(): Promise<void> {
      left = true;
      for (const undo of atTheEnd) undo();
      cast.server?.kill('SIGKILL');
      await cast.server?.exited;
    },
  };
  return cast;
}

export type Cast = ReturnType<typeof castOf>;

/** Reads the store beside the server that writes to it. */
export async function onStore<Result>(
  { deps, folder }: Cast,
  read: (store: EventStore & Views) => Promise<Result>,
): Promise<Result> {
  const opened = await deps.openStore({ url: `lmdb:${join(folder, 'store')}`, readOnly: true });
  if (opened.kind === 'failure') throw new StoryFailure(opened.what);
  try {
    return await read(opened.store);
  } finally {
    await opened.store.close();
  }
}
