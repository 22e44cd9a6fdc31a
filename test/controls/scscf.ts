/** What an S-CSCF sends, on one line of the scripted peer: third-party REGISTERs (TS 24.229). */
import type { Line } from './scripted-peer.ts';
import { ALICE, register, sipRequest } from './sip-agent-stage.ts';

export type Fields = Readonly<Record<string, string>>;

export interface Scscf {
  /** Sends a request and gives the next message that comes. */
  ask(request: string): Promise<string>;
  /** A REGISTER for alice, or for whom `To` names; nothing of hers inside. */
  thirdParty(
    headers?: Fields,
    content?: { readonly type?: string; readonly body?: string },
  ): string;
  /** A new branch: never taken for a repetition. */
  branch(): string;
}

let branches = 0;

export function scscfOn(line: Line): Scscf {
  const branch = (): string => {
    branches += 1;
    return `scscf${branches}`;
  };
  return {
    branch,
    async ask(request) {
      line.send(request);
      return String(await line.next());
    },
    thirdParty(headers = {}, { type = '', body = '' } = {}) {
      const From = '<sip:scscf.example.org>;tag=s1';
      const Contact = `<sip:127.0.0.1:${line.local.port}>`;
      const fields = { From, Contact, 'Content-Type': type, ...headers };
      return sipRequest('REGISTER', branch(), fields, { body });
    },
  };
}

/** The client's own REGISTER as the S-CSCF got it. */
export function ueRegister(headers: Fields = {}): string {
  return register('ue', { Contact: '<sip:alice@192.0.2.9>;+g.oma.sip-im', ...headers });
}

/** The answer that the client got. */
export function ueAnswer(headers: Fields = {}): string {
  const request = ueRegister({ To: `<${ALICE}>;tag=r`, ...headers });
  return request.replace(/^REGISTER \S+ SIP\/2\.0/, 'SIP/2.0 200 OK');
}

/** A body of several parts; a part without a type is a SIP message. */
export function partsOf(...parts: readonly (string | readonly [type: string, body: string])[]): {
  readonly type: string;
  readonly body: string;
} {
  const each = parts.map((part) => (typeof part === 'string' ? ['message/sip', part] : part));
  const body = each.map(([type, text]) => `--b\r\nContent-Type: ${type}\r\n\r\n${text}\r\n`);
  return { type: 'multipart/mixed;boundary="b"', body: `${body.join('')}--b--\r\n` };
}
