/**
 * The flow of the wire fixtures a1…a11, played against a running server by one peer that is both
 * S-CSCF and client. What the fixtures say is sent as it stands; only what a run decides anew is
 * put in place: addresses, what mirrors the server's request, a Date that is not past its Expires.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Line, msrpLength, type ScriptedPeer, scriptedPeer } from './scripted-peer.ts';
import { type Server, startServer } from './server.ts';

const FOLDER = join(import.meta.dirname, '../../../shared/data/wire');

/** Whether the fixtures are there; says loudly when they are not. */
export function fixturesAvailable(): boolean {
  const available = existsSync(FOLDER);
  if (!available) console.warn(`SKIPPED: the wire fixtures are not at ${FOLDER}`);
  return available;
}

export function fixture(name: string): string {
  return readFileSync(join(FOLDER, `${name}.bin`), 'utf8');
}

/** Value of the first header of that name, `''` when there is none. */
export function headerOf(octets: Uint8Array | string, name: string): string {
  const head = octets.toString().split('\r\n\r\n', 1)[0] ?? '';
  return new RegExp(`^${name}[ \\t]*:[ \\t]*(.*)$`, 'im').exec(head)?.[1]?.trimEnd() ?? '';
}

/** Each replacement must be found: a fixture that changed must not pass unnoticed. */
export function adapted(
  text: string,
  replacements: readonly (readonly [string, string])[],
): string {
  let result = text;
  for (const [from, to] of replacements) {
    if (!result.includes(from)) throw new Error(`the fixture has no ${JSON.stringify(from)}`);
    result = result.replaceAll(from, to);
  }
  const [head = '', ...body] = result.split('\r\n\r\n');
  if (!/^Content-Length/m.test(head)) return result;
  const length = Buffer.byteLength(body.join('\r\n\r\n'));
  const measured = head.replace(/^Content-Length: \d+/m, `Content-Length: ${length}`);
  return [measured, ...body].join('\r\n\r\n');
}

/** The same deposit with another Call-ID and branch, dated now: its Expires counts from Date. */
export function depositText(number: number): string {
  return adapted(fixture('a1_MESSAGE'), [
    ['asd88asd77a', number === 1 ? 'asd88asd77a' : `asd88asd77a-${number}`],
    ['z9hG4bK3f1a.77', number === 1 ? 'z9hG4bK3f1a.77' : `z9hG4bK3f1a.77-${number}`],
    ['Sun, 22 Nov 2026 09:15:00 GMT', TODAY],
  ]);
}

/** The Date of all deposits of a run. */
export const TODAY = new Date(Math.floor(Date.now() / 1000) * 1000).toUTCString();

export interface PushFlow {
  readonly server: Server;
  readonly peer: ScriptedPeer;
  /** Deposits as sent and their answers, in order. */
  readonly deposits: readonly { readonly request: string; readonly answer: string }[];
  readonly registerAnswer: string;
  readonly invite: string;
  readonly ack: string;
  /** The SEND without a body that binds the session. */
  readonly binding: string;
  readonly sends: readonly string[];
  readonly bye: string;
  /** Where the peer took SIP and MSRP. */
  readonly corePort: number;
  readonly mediaPort: number;
  close(): Promise<void>;
}

const ARGS = ['--domain', 'example.org', '--im-address', 'sip:im-store@example.org'];

/**
 * Starts a server, sends these MESSAGEs to Alice, and plays everything up to the 200 to BYE.
 * `whileOpen` may say more in the dialog once the first message is under way.
 */
export async function playPush(
  requests = [depositText(1)],
  whileOpen?: (dialog: Line, invite: string, answer: string) => Promise<void>,
): Promise<PushFlow> {
  const peer = scriptedPeer();
  const core = await peer.listen();
  const media = await peer.listen(msrpLength);
  const nextHop = `sip:127.0.0.1:${core.port};transport=tcp`;
  const server = await startServer({
    args: [...ARGS, '--next-hop', nextHop, '--trust', '127.0.0.0/8', '--journal', 'full'],
  });
  const close = async (): Promise<void> => {
    peer.close();
    await server.remove();
  };
  try {
    const scscf = await peer.connect(server.sipPort);
    const deposits: { request: string; answer: string }[] = [];
    for (const request of requests) {
      scscf.send(request);
      deposits.push({ request, answer: String(await scscf.next()) });
    }
    scscf.send(fixture('a3_third_party_REGISTER'));
    const registerAnswer = String(await scscf.next());
    const dialog = await core.accepted();
    const invite = String(await dialog.next());
    const answer = inviteAnswer(invite, media.port);
    dialog.send(answer);
    const ack = String(await dialog.next());
    const session = await media.accepted();
    // The server connects, so it binds the session first (RFC 4975 §5.4).
    const [binding = ''] = await acknowledged(session, 1, media.port);
    await whileOpen?.(dialog, invite, answer);
    const sends = await acknowledged(session, requests.length, media.port);
    const bye = String(await dialog.next());
    dialog.send(byeAnswer(bye));
    const { port: corePort } = core;
    const { port: mediaPort } = media;
    const seen = { deposits, registerAnswer, invite, ack, binding, sends, bye };
    return { server, peer, ...seen, corePort, mediaPort, close };
  } catch (error) {
    const log = server.log();
    await close();
    throw new Error(`the flow stopped; the server says:\n${log}`, { cause: error });
  }
}

/** Takes so many SENDs and answers each as a9 does. */
export async function acknowledged(session: Line, count: number, port: number): Promise<string[]> {
  const sends: string[] = [];
  while (sends.length < count) {
    const send = String(await session.next());
    sends.push(send);
    const [, tid = ''] = send.split(' ', 2);
    session.send(
      adapted(fixture('a9_MSRP_200'), [
        ['d93kswow5e0cf1a7', tid],
        ['msrp://192.0.2.50:2855/p7k2m4qx9w;tcp', headerOf(send, 'From-Path')],
        ['192.0.2.17:7394', `127.0.0.1:${port}`],
      ]),
    );
  }
  return sends;
}

/** What the client mirrors from the server's request: Via with `received`, From, Call-ID. */
function mirrored(request: string): readonly (readonly [string, string])[] {
  const tag = /tag=([^;]+)$/.exec(headerOf(request, 'From'))?.[1] ?? '';
  const branch = request.startsWith('BYE') ? 'z9hG4bKim.0a93' : 'z9hG4bKim.0a91';
  return [
    [`SIP/2.0/TCP im.example.org:5060;branch=${branch}`, headerOf(request, 'Via')],
    [';received=192.0.2.50', ';received=127.0.0.1'],
    ['im-9b1d', tag],
    ['push-7f3e1c@im.example.org', headerOf(request, 'Call-ID')],
  ];
}

/** 200 to the INVITE of a push, for messages at this port. */
export function inviteAnswer(invite: string, port: number): string {
  return adapted(fixture('a6_200_INVITE'), [
    ...mirrored(invite),
    ['m=message 7394', `m=message ${port}`],
    ['192.0.2.17:7394', `127.0.0.1:${port}`],
    ['IN IP4 192.0.2.17', 'IN IP4 127.0.0.1'],
  ]);
}

export function byeAnswer(bye: string): string {
  return adapted(fixture('a11_200_BYE'), mirrored(bye));
}
