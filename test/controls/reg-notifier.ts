/** The notifier of the package `reg` that an S-CSCF is (RFC 3680), on one line of the scripted peer. */
import type { Line } from './scripted-peer.ts';
import { headerOf } from './scripted-peer-flow.ts';
import type { Fields } from './scscf.ts';
import { ALICE } from './sip-agent-stage.ts';

export interface ContactOf {
  readonly uri?: string;
  readonly state?: string;
  readonly event?: string;
  /** Attributes of the contact. */
  readonly attributes?: Fields;
  /** Feature tags as unknown-param elements. */
  readonly tags?: readonly string[];
}

/** One registration of a document, active and with one tagged contact unless it says otherwise. */
export function registrationXml(
  contacts: readonly ContactOf[] = [{}],
  { aor = ALICE, state = 'active' } = {},
): string {
  const each = contacts.map((one, id) => {
    const {
      uri = 'sip:alice@192.0.2.9',
      attributes = { callid: 'ue', cseq: '1', expires: '600' },
    } = one;
    const { state: of = 'active', event = 'registered', tags = ['+g.oma.sip-im'] } = one;
    const written = Object.entries({ id: `${id}`, state: of, event, ...attributes });
    const params = tags.map((name) => `<unknown-param name="${name}"></unknown-param>`);
    const head = written.map(([name, value]) => ` ${name}="${value}"`).join('');
    return `<contact${head}><uri>${uri}</uri>${params.join('')}</contact>`;
  });
  return `<registration aor="${aor}" id="r" state="${state}">${each.join('')}</registration>`;
}

export function reginfoXml(version: number, inner: string, state = 'full'): string {
  const head = `xmlns="urn:ietf:params:xml:ns:reginfo" version="${version}" state="${state}"`;
  return `<?xml version="1.0"?>\n<reginfo ${head}>${inner}</reginfo>`;
}

export interface RegNotifier {
  /** The next request must be a SUBSCRIBE; it is answered. */
  takeSubscribe(status?: number, headers?: Fields): Promise<string>;
  /** Sends a NOTIFY in the dialog of that SUBSCRIBE and gives the answer. */
  notify(
    subscribe: string,
    notify: {
      readonly body?: string;
      readonly state?: string;
      /** Replace those of the same name; '' leaves one out. */
      readonly headers?: Fields;
    },
  ): Promise<string>;
}

export function regNotifierOn(line: Line): RegNotifier {
  let requests = 0;
  const own = `127.0.0.1:${line.local.port}`;
  return {
    async takeSubscribe(status = 200, headers = {}) {
      const request = String(await line.next());
      if (!request.startsWith('SUBSCRIBE ')) throw new Error(`no SUBSCRIBE: ${request}`);
      const to = headerOf(request, 'To');
      const fields: Fields = {
        Via: headerOf(request, 'Via'),
        From: headerOf(request, 'From'),
        To: /;tag=/.test(to) ? to : `${to};tag=notifier`,
        'Call-ID': headerOf(request, 'Call-ID'),
        CSeq: headerOf(request, 'CSeq'),
        Contact: `<sip:${own}>`,
        Expires: headerOf(request, 'Expires'),
        ...headers,
        'Content-Length': '0',
      };
      line.send(`SIP/2.0 ${status} X\r\n${linesOf(fields)}\r\n`);
      return request;
    },
    async notify(subscribe, { body = '', state = 'active;expires=600000', headers = {} }) {
      requests += 1;
      const to = headerOf(subscribe, 'To');
      const target = /<(.*?)>/.exec(headerOf(subscribe, 'Contact'))?.[1];
      const fields: Fields = {
        Via: `SIP/2.0/UDP ${own};branch=z9hG4bKnotify${requests}.${Math.floor(line.local.port)}`,
        'Max-Forwards': '70',
        From: /;tag=/.test(to) ? to : `${to};tag=notifier`,
        To: headerOf(subscribe, 'From'),
        'Call-ID': headerOf(subscribe, 'Call-ID'),
        CSeq: `${requests} NOTIFY`,
        Contact: `<sip:${own}>`,
        Event: 'reg',
        'Subscription-State': state,
        ...(body === '' ? {} : { 'Content-Type': 'application/reginfo+xml' }),
        ...headers,
        'Content-Length': `${Buffer.byteLength(body)}`,
      };
      line.send(`NOTIFY ${target} SIP/2.0\r\n${linesOf(fields)}\r\n${body}`);
      return String(await line.next());
    },
  };
}

function linesOf(fields: Fields): string {
  const present = Object.entries(fields).filter(([, value]) => value !== '');
  return present.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}
