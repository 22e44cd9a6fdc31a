/**
 * The flow of the wire fixtures b1…b11, played against a running server by one peer that is S-CSCF,
 * sender and client: a message is left by an MSRP session, and pushed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Recorded } from '../../src/engine/recorded.ts';
import { byHop, type Hop, type LargeScript, largeScript } from './large-script.ts';
import { readLog } from './read-log.ts';
import { type Line, msrpLength, type ScriptedPeer, scriptedPeer } from './scripted-peer.ts';
import { acknowledged, byeAnswer, fixture, inviteAnswer } from './scripted-peer-flow.ts';
import { freePort, type Server, startServer } from './server.ts';

const ARGS = ['--domain', 'example.org', '--im-address', 'sip:im-store@example.org'];
const LOGGED_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;

export interface LargeFlowOptions {
  readonly transport: 'udp' | 'tcp';
  /** When the recipient registers: after the sender's BYE, or while its session is open. */
  readonly registers: 'afterwards' | 'meanwhile';
  /** MESSAGEs that are there before. */
  readonly messages?: (hop: Hop | undefined) => readonly string[];
  /** What is sent by MSRP, each with an answer; default: b4 and b6. */
  readonly chunks?: (script: LargeScript, answer: string) => readonly (string | Uint8Array)[];
  /** Told where all is spoken, before anything is said. */
  readonly onPorts?: (ports: LargePorts) => Promise<void>;
}

export interface LargePorts {
  readonly sip: readonly number[];
  readonly msrp: readonly number[];
}

export interface LargeFlow {
  readonly server: Server;
  readonly peer: ScriptedPeer;
  /** How the sender came; absent: as the fixtures have it. */
  readonly hop: Hop | undefined;
  /** b2. */
  readonly answer: string;
  /** b5, b7: what the chunks were answered. */
  readonly answers: readonly string[];
  /** b9. */
  readonly byeAnswer: string;
  /** INVITE of the push, its SENDs with a body (the last one is b10), and its BYE. */
  readonly invite: string;
  readonly sends: readonly string[];
  readonly bye: string;
  readonly corePort: number;
  readonly mediaPort: number;
  /** The log, once the delivery has ended in it. */
  log(): Promise<readonly Recorded[]>;
  close(): Promise<void>;
}

/** Who sends to the server, and who is sent to: over UDP one socket is both. */
interface Lines {
  readonly server: Server;
  readonly corePort: number;
  scscf(): Promise<Line>;
  core(): Promise<Line>;
}

async function openLines(peer: ScriptedPeer, transport: 'udp' | 'tcp'): Promise<Lines> {
  const sipPort = await freePort();
  const args = (port: number) => [
    ...ARGS,
    ...['--next-hop', `sip:127.0.0.1:${port};transport=${transport}`],
    ...['--trust', '127.0.0.0/8', '--journal', 'full'],
  ];
  if (transport === 'udp') {
    const scscf = withoutRepeats(await peer.datagrams(sipPort));
    const { port } = scscf.local;
    const server = await startServer({ sipPort, args: args(port) });
    return { server, corePort: port, scscf: async () => scscf, core: async () => scscf };
  }
  const { port, accepted } = await peer.listen();
  const server = await startServer({ sipPort, args: args(port) });
  return { server, corePort: port, scscf: () => peer.connect(sipPort), core: accepted };
}

/** Who is slow is told again (RFC 3261 §17), and in between that it was heard. */
function withoutRepeats(line: Line): Line {
  const seen = new Set<string>();
  const next = async (): Promise<Buffer> => {
    for (;;) {
      const octets = await line.next();
      const text = octets.toString('latin1');
      const isNew = !seen.has(text) && !text.startsWith('SIP/2.0 1');
      seen.add(text);
      if (isNew) return octets;
    }
  };
  return { ...line, next };
}

export async function playLarge(options: LargeFlowOptions): Promise<LargeFlow> {
  const { transport, registers } = options;
  const peer = scriptedPeer();
  const media = await peer.listen(msrpLength);
  const { server, corePort, ...lines } = await openLines(peer, transport);
  const hop: Hop | undefined = transport === 'udp' ? { transport, port: corePort } : undefined;
  const messages = options.messages?.(hop) ?? [];
  let scscf: Line;
  const close = async (): Promise<void> => {
    peer.close();
    await server.remove();
  };

  async function ask(request: string): Promise<string> {
    scscf.send(request);
    return String(await scscf.next());
  }

  async function deposit() {
    const script = largeScript(hop);
    const answer = await ask(script.invite);
    scscf.send(script.ack(answer));
    const session = await peer.connect(server.msrpPort, msrpLength);
    const answers: string[] = [];
    for (const chunk of options.chunks?.(script, answer) ?? script.sends(answer)) {
      session.send(chunk);
      answers.push(String(await session.next()));
    }
    return { script, answer, answers };
  }

  async function push() {
    const dialog = await lines.core();
    const invite = String(await dialog.next());
    dialog.send(byHop(inviteAnswer(invite, media.port), hop));
    await dialog.next();
    const session = await media.accepted();
    // One more than there are messages: the first only binds the session (RFC 4975 §5.4).
    const [, ...sends] = await acknowledged(session, messages.length + 2, media.port);
    const bye = String(await dialog.next());
    dialog.send(byeAnswer(bye));
    return { invite, sends, bye };
  }

  try {
    const { sipPort, msrpPort } = server;
    await options.onPorts?.({ sip: [sipPort, corePort], msrp: [msrpPort, media.port] });
    scscf = await lines.scscf();
    for (const message of messages) await ask(message);
    const { script, answer, answers } = await deposit();
    const register = byHop(fixture('a3_third_party_REGISTER'), hop);
    if (registers === 'meanwhile') await ask(register);
    const answeredBye = await ask(script.bye(answer));
    if (registers === 'afterwards') await ask(register);
    const pushed = await push();
    return {
      ...{ server, peer, hop, answer, answers, byeAnswer: answeredBye, ...pushed },
      ...{ corePort, mediaPort: media.port, close },
      log: () => ended(server),
    };
  } catch (error) {
    const passed = peer.packets.map(({ octets }) => String(octets).split('\r\n', 1)[0]);
    const log = server.log();
    await close();
    const where = `the flow stopped behind\n${passed.join('\n')}\nand the server says:\n${log}`;
    throw new Error(where, { cause: error });
  }
}

async function ended({ data }: Server): Promise<readonly Recorded[]> {
  for (let leftMs = LOGGED_WITHIN_MS; ; leftMs -= LOOK_EVERY_MS) {
    const log = await readLog(data);
    if (log.some(({ type }) => type === 'DeliveryEnded')) return log;
    if (leftMs <= 0) throw new Error(log.map(({ stream, type }) => `${stream} ${type}`).join('\n'));
    await pause(LOOK_EVERY_MS);
  }
}
