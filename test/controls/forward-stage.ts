/** The SIP side behind a core that a test plays: what is passed on comes to it, over TCP. */
import type { ForwardSettings } from '../../src/adapters/sip/forward/forward-contract.ts';
import { type Line, scriptedPeer } from './scripted-peer.ts';
import { headerOf } from './scripted-peer-flow.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import {
  ALICE,
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from './sip-agent-stage.ts';

export interface ForwardStage extends SipAgentStage {
  /** A sender, over UDP. */
  readonly sender: Line;
  readonly corePort: number;
  /** The connection over which requests come to the core. */
  core(): Promise<Line>;
  /** Nobody listens there any more. */
  closeCore(): Promise<void>;
  /** Resolves when the log has so many events of the mailbox, or fails. */
  mailboxStory(events: number): Promise<readonly string[]>;
  /** Registers Alice. */
  online(headers?: Readonly<Record<string, string>>): Promise<void>;
}

export async function forwardStage(
  forwarding: Partial<ForwardSettings> = {},
  /** `direct`: there is no next hop. */
  more: {
    readonly direct?: true;
    readonly trusted?: (address: string) => boolean;
    readonly dnsServers?: readonly string[];
    readonly clock?: SimulatedClock;
  } = {},
): Promise<ForwardStage> {
  const listener = scriptedPeer();
  const core = await listener.listen();
  const stage = await sipAgentStage({
    ...{ forwarding, ...more },
    ...(more.direct ? {} : { nextHop: `sip:127.0.0.1:${core.port};transport=tcp` }),
  });
  const sender = await stage.peer.datagrams(stage.udp);
  let connection: Promise<Line> | undefined;
  let registrations = 0;
  return {
    ...stage,
    sender,
    corePort: core.port,
    core() {
      connection ??= core.accepted();
      return connection;
    },
    async closeCore() {
      (await connection)?.close();
      listener.close();
    },
    async mailboxStory(events) {
      for (let looks = 0; looks < 400; looks += 1) {
        const story = (await stage.story()).filter((line) => line.startsWith('mailbox '));
        if (story.length >= events) return story.map((line) => line.slice('mailbox '.length));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`the mailbox has not ${events} events: ${await stage.story()}`);
    },
    async online(headers) {
      registrations += 1;
      const client = await stage.peer.datagrams(stage.udp);
      const Contact = '<sip:alice@127.0.0.1:5999>;+g.oma.sip-im';
      const CSeq = `${registrations} REGISTER`;
      const Call = { 'Call-ID': 'registration' };
      client.send(register(`reg${registrations}`, { Contact, CSeq, ...Call, ...headers }));
      await client.next();
    },
    async close() {
      listener.close();
      await stage.close();
    },
  };
}

/** A MESSAGE for Alice; the branch makes it another transaction, the Call-ID another message. */
export function message(
  branch: string,
  headers: Readonly<Record<string, string>> = {},
  body = 'hi',
): string {
  const all = { 'Content-Type': 'text/plain', ...headers };
  return sipRequest('MESSAGE', branch, all, { uri: ALICE, body });
}

/** The answer of a client to what it was sent, all Vias mirrored. */
export function answerTo(
  request: Buffer | string,
  status: string,
  headers: readonly string[] = [],
  body = '',
): string {
  const lines = request.toString().split('\r\n\r\n', 1)[0]?.split('\r\n') ?? [];
  const mirrored = lines.filter((line) => /^(via|from|call-id|cseq):/i.test(line));
  const to = headerOf(request, 'To');
  const all = [
    ...[`SIP/2.0 ${status}`, ...mirrored, `To: ${to}${to.includes(';tag=') ? '' : ';tag=ue'}`],
    ...[...headers, `Content-Length: ${body.length}`],
  ];
  return `${all.join('\r\n')}\r\n\r\n${body}`;
}

export function statusOf(answer: Buffer | string): number {
  return Number(answer.toString().split(' ')[1]);
}
