/** A real server, and SIPp as the clients of its subscribers. */
import { setTimeout as pause } from 'node:timers/promises';
import { sendMessages } from '../../src/adapters/ua/send-messages.ts';
import { openSipStack } from '../../src/adapters/ua/sip-stack.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { serverBuild } from '../controls/defects.ts';
import { readLog } from '../controls/read-log.ts';
import { type Line, msrpLength, scriptedPeer } from '../controls/scripted-peer.ts';
import { type Server, type ServerOptions, startServer } from '../controls/server.ts';
import { type SippClient, type SippClientOptions, sippClient } from '../controls/sipp-scenarios.ts';

const HOST = '127.0.0.1';
const DOMAIN = 'example.org';
const SEEN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

export interface SippStage {
  readonly server: Server;
  client(options: SippClientOptions): Promise<SippClient>;
  /** Registers the user at SIPp's port; resolves with the status. */
  register(user: string, client: SippClient, callId?: string): Promise<number>;
  /** One message waits for the user, who then registers: rejects when either is refused. */
  pushTo(user: string, client: SippClient): Promise<void>;
  /** The first event of this type, or the n-th, in the user's mailbox or deliveries. */
  logged(type: string, of?: { readonly user?: string; readonly count?: number }): Promise<Recorded>;
  /**
   * Takes MSRP connections as a client would; `answers`: acknowledges each SEND (RFC 4975 §7.2).
   * What SIPp has to be told of it.
   */
  media(answers: boolean): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

export async function sippStage(options: ServerOptions = {}): Promise<SippStage> {
  const server = await startServer({ launcher: await serverBuild(), ...options });
  const clients: SippClient[] = [];
  const peer = scriptedPeer();
  const address = { transport: 'udp', host: HOST, port: server.sipPort } as const;

  async function register(user: string, client: SippClient, callId = user): Promise<number> {
    const stack = await openSipStack({ server: address, listen: { host: HOST } });
    const contact = `sip:${user}@${HOST}:${client.port};transport=${client.transport}`;
    try {
      const { status } = await stack.request({
        method: 'REGISTER',
        uri: `sip:${DOMAIN}`,
        headers: {
          'max-forwards': '70',
          from: `<sip:${user}@${DOMAIN}>;tag=sipp`,
          to: `<sip:${user}@${DOMAIN}>`,
          'call-id': callId,
          cseq: '1 REGISTER',
          contact: `<${contact}>;+g.oma.sip-im;expires=600`,
        },
      });
      return status;
    } finally {
      stack.close();
    }
  }

  async function acknowledging(accepted: Promise<Line>): Promise<void> {
    const line = await accepted;
    for (;;) {
      const send = String(await line.next());
      const [, tid = ''] = send.split(' ', 2);
      const [own = '', from = ''] = ['To', 'From'].map(
        (name) => new RegExp(`^${name}-Path: (.+)\r$`, 'm').exec(send)?.[1],
      );
      const paths = `To-Path: ${from}\r\nFrom-Path: ${own}\r\n`;
      line.send(`MSRP ${tid} 200 OK\r\n${paths}-------${tid}$\r\n`);
    }
  }

  return {
    server,
    async client(wanted) {
      const started = await sippClient(wanted);
      clients.push(started);
      return started;
    },
    register,
    async pushTo(user, client) {
      const texts = { from: 'bob', to: user, domain: DOMAIN, bodies: [`for ${user}`] };
      const [sent] = await sendMessages({ server: address, ...texts });
      if (sent?.status !== 202) throw new Error(`the deposit was answered ${sent?.status}`);
      const status = await register(user, client);
      if (status !== 200) throw new Error(`the REGISTER was answered ${status}`);
    },
    async logged(type, { user, count = 1 } = {}) {
      const isOf = (event: Recorded) =>
        event.type === type &&
        (user === undefined || event.stream === `mailbox-sip:${user}@${DOMAIN}`);
      for (let leftMs = SEEN_WITHIN_MS; leftMs > 0; leftMs -= LOOK_EVERY_MS) {
        const found = (await readLog(server.data)).filter(isOf)[count - 1];
        if (found) return found;
        await pause(LOOK_EVERY_MS);
      }
      throw new Error(`${type} of ${user} did not come:\n${server.log()}`);
    },
    async media(answers) {
      const { port, accepted } = await peer.listen(msrpLength);
      // It ends when the connection does.
      if (answers) acknowledging(accepted()).catch(() => {});
      return { msrp_port: String(port), media: `message ${port} TCP/MSRP *` };
    },
    async close() {
      await Promise.all(clients.map((one) => one.close()));
      peer.close();
      await server.remove();
    },
  };
}
