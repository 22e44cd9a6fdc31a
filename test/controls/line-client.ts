/** A subscriber's client whose every SIP message a test sees: registers, and is pushed to. */
import { clientSdp } from './push-stage.ts';
import type { Line } from './scripted-peer.ts';
import { headerOf } from './scripted-peer-flow.ts';
import { register } from './sip-agent-stage.ts';

/** One push, from its INVITE on. */
export interface LinePush {
  readonly invite: string;
  /** Waits for the BYE and answers it. */
  bye(): Promise<string>;
}

export interface LineClient {
  register(): Promise<void>;
  /** Answers the next INVITE, up to its ACK; `path` is that of the description. */
  invited(path: string, port: number): Promise<LinePush>;
}

/** Over UDP; `line` goes to the server. */
export function lineClient(line: Line): LineClient {
  const contact = `<sip:alice@127.0.0.1:${line.local.port};transport=udp>;+g.oma.sip-im`;
  const seen = new Set<string>();
  let registrations = 0;

  /** Who is slow is told again (RFC 3261 §17), and in between that it was heard. */
  async function next(what: string): Promise<string> {
    for (;;) {
      const text = String(await line.next());
      if (seen.has(text) || text.startsWith('SIP/2.0 1')) continue;
      seen.add(text);
      if (text.startsWith(what)) return text;
      throw new Error(`not ${what} came but\n${text}`);
    }
  }

  function ok(request: string, extra: readonly string[] = [], body = ''): void {
    const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map((n) => `${n}: ${headerOf(request, n)}`);
    const to = headerOf(request, 'To').replace(/(;tag=.*)?$/, ';tag=ue');
    const head = ['SIP/2.0 200 OK', ...mirrored, `To: ${to}`, ...extra];
    line.send([...head, `Content-Length: ${body.length}`, '', body].join('\r\n'));
  }

  return {
    async register() {
      registrations += 1;
      const headers = { Contact: contact, 'Call-ID': 'reg@ue', CSeq: `${registrations} REGISTER` };
      line.send(register(`r${registrations}`, headers));
      await next('SIP/2.0 200 ');
    },
    async invited(path, port) {
      const invite = await next('INVITE ');
      const media = { port: `m=message ${port} TCP/MSRP *`, path: `a=path:${path}` };
      const type = 'Content-Type: application/sdp';
      ok(invite, [`Contact: ${contact}`, type], clientSdp(media));
      await next('ACK ');
      return {
        invite,
        async bye() {
          const bye = await next('BYE ');
          ok(bye);
          return bye;
        },
      };
    },
  };
}
