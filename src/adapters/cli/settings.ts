/**
 * The settings of the server: what each is called, what it means, what it defaults to and how its
 * text is read. A flag, an environment variable and a key of the file are three spellings of one
 * text.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parseTransportAddress, type TransportAddress } from '../../wire/sip/transport-address.ts';
import { parseUri } from '../../wire/sip/uri.ts';
import { ACCESS_SETTINGS, accessSchema } from './access-settings.ts';
import { LARGE_SETTINGS, largeSchema } from './large-settings.ts';
import {
  type HostPort,
  isUnspecified,
  parseDnsServer,
  parseListen,
  parseNextHop,
} from './listen-address.ts';
import { isNo, read } from './read-setting.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export const JOURNALS = ['headers', 'full', 'off'] as const;
/** A drain that takes longer is no drain. */
const DRAIN_SECONDS_MAX = 3_600;
/**
 * 64*T1 is 32 s: a sender that waited longer hears no answer any more (RFC 4320 §4.2). An append may
 * take 20 s of them.
 */
const FORWARD_SECONDS_MAX = 11;
/** What a client, or a policy, says to a message that got there. */
const SAID_NO: ReadonlySet<number> = new Set([403, 486, 488]);

/** Texts by name, as far as they are known: what a default may be derived from. */
export type Texts = Readonly<Record<string, string | undefined>>;

interface Setting {
  readonly placeholder: string;
  readonly about: string;
  /** What the default is, for the help. Absent: there is none. */
  readonly defaults?: string;
  readonly fallback: (texts: Texts) => string | undefined;
}

const fixed = (text: string) => ({ defaults: text, fallback: () => text });

/** In the order of the help. Keys are the flags' names. */
export const SETTINGS = {
  domain: {
    placeholder: 'NAME',
    about: 'domain whose users have mailboxes here',
    ...fixed('example.org'),
  },
  data: { placeholder: 'DIR', about: 'folder of everything that is kept', ...fixed('./data') },
  store: {
    placeholder: 'URL',
    about: 'lmdb:DIR, or memory: to forget everything at exit',
    defaults: 'lmdb:<data>/store',
    fallback: ({ data }) => `lmdb:${data?.replace(/\/+$/, '')}/store`,
  },
  'sip-listen': {
    placeholder: 'LIST',
    about: 'where SIP is taken: udp://HOST:PORT,… and so tcp, tls, ws (WebSocket), wss',
    ...fixed('udp://127.0.0.1:5060,tcp://127.0.0.1:5060'),
  },
  'tls-certificate': {
    placeholder: 'FILE',
    about: 'PEM file of our certificate and its issuers, for tls:// and wss://',
    fallback: () => undefined,
  },
  'tls-key': {
    placeholder: 'FILE',
    about: 'PEM file of its key, without a passphrase',
    defaults: '<tls-certificate>',
    fallback: (texts) => texts['tls-certificate'],
  },
  'tls-ca': {
    placeholder: 'FILE',
    about: 'PEM file of the roots that certificates of peers come from (else those of Node.js)',
    fallback: () => undefined,
  },
  'ws-origins': {
    placeholder: 'LIST',
    about: 'origins of the pages that may connect by WebSocket: https://HOST,… (else any)',
    fallback: () => undefined,
  },
  'msrp-listen': {
    placeholder: 'HOST:PORT',
    about: 'where MSRP is taken',
    ...fixed('127.0.0.1:2855'),
  },
  ...LARGE_SETTINGS,
  'http-listen': {
    placeholder: 'HOST:PORT',
    about: 'where health and metrics are answered',
    ...fixed('127.0.0.1:8080'),
  },
  advertise: {
    placeholder: 'ADDRESS',
    about: 'IP address that peers reach this server at; needed to listen on 0.0.0.0 or [::]',
    fallback: () => undefined,
  },
  'next-hop': {
    placeholder: 'URI',
    about: 'send every request through sip:HOST:PORT;transport=udp (else to the contact)',
    fallback: () => undefined,
  },
  'dns-servers': {
    placeholder: 'LIST',
    about: "DNS servers that names of next hops and contacts are asked of (else the system's)",
    fallback: () => undefined,
  },
  ...ACCESS_SETTINGS,
  forward: {
    placeholder: 'on|off',
    about: 'pass messages on to clients that are registered (else keep and push every one)',
    ...fixed('on'),
  },
  'forward-seconds': {
    placeholder: 'SECONDS',
    about: 'how long a client may take to answer a message before it is kept',
    ...fixed('10'),
  },
  'defer-on': {
    placeholder: 'LIST',
    about: 'answers of a client after which a message is kept',
    ...fixed('404,408,410,430,480,487,503,504'),
  },
  'reg-event': {
    placeholder: 'on|off',
    about: 'ask the core about clients whose REGISTER does not say whether they take messages',
    ...fixed('off'),
  },
  journal: {
    placeholder: 'MODE',
    about: `how much of each signal is kept as evidence: ${JOURNALS.join(', ')}`,
    ...fixed('headers'),
  },
  'drain-seconds': {
    placeholder: 'SECONDS',
    about: 'how long deliveries may take to end at shutdown',
    ...fixed('10'),
  },
  'log-level': {
    placeholder: 'LEVEL',
    about: `what is logged: ${LOG_LEVELS.join(', ')}`,
    ...fixed('info'),
  },
  'store-host': {
    placeholder: 'NAME',
    about: 'host part of the Message-IDs given out here',
    defaults: 'store.<domain>',
    fallback: ({ domain }) => `store.${domain}`,
  },
  'im-address': {
    placeholder: 'URI',
    about: 'address that the message store speaks as',
    defaults: 'sip:im-store@<domain>',
    fallback: ({ domain }) => `sip:im-store@${domain}`,
  },
} satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** Every item of a comma list, at least one and none twice. */
function listOf<Value>(parse: (text: string) => Value | undefined) {
  return (text: string): readonly Value[] | undefined => {
    const items = text.split(',').map((item) => item.trim());
    if (new Set(items).size < items.length && items.every((item) => !item.endsWith(':0'))) {
      return undefined;
    }
    const values: Value[] = [];
    for (const item of items) {
      const value = parse(item);
      if (value === undefined) return undefined;
      values.push(value);
    }
    return values;
  };
}

function oneOf<Word extends string>(words: readonly Word[]) {
  return read(
    (text) => words.find((word) => word === text),
    isNo('choice here'),
    `write one of ${words.join(', ')}`,
  );
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
const hostName = read(
  (text) => (HOST_NAME.test(text) ? text.toLowerCase() : undefined),
  isNo('host name'),
  'write a name such as example.org, an international one in its xn-- form',
);
const hostPort = read<HostPort>(
  parseListen,
  isNo('address to listen on'),
  'write HOST:PORT, an IPv6 host in brackets, port 0 for any free one',
);

const file = read((text) => text || undefined, isNo('file'), 'name a file');

/** RFC 6454 §6.2: scheme, host and a port that is not the scheme's own. */
function parseOrigin(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.origin === text.toLowerCase() ? url.origin : undefined;
}

/** Texts in, values out; the keys are those of `SETTINGS`. */
export const settingsSchema = z.strictObject({
  domain: hostName,
  data: read((text) => text || undefined, isNo('folder'), 'name a folder'),
  store: read(
    (text) => (/^(lmdb:.+|memory:)$/.test(text) ? text : undefined),
    isNo('store'),
    'write lmdb:DIR or memory:',
  ),
  'sip-listen': read<readonly TransportAddress[]>(
    listOf(parseTransportAddress),
    isNo('list of addresses'),
    'write udp://HOST:PORT, or tcp, tls, ws, wss in place of udp, with commas between, each once',
  ),
  'tls-certificate': file.optional(),
  'tls-key': file.optional(),
  'tls-ca': file.optional(),
  'ws-origins': read<readonly string[]>(
    listOf(parseOrigin),
    isNo('list of origins'),
    'write origins such as https://chat.example.org with commas between, each once, without paths',
  ).optional(),
  'msrp-listen': hostPort,
  ...largeSchema,
  'http-listen': hostPort,
  advertise: read(
    (text) => (isIP(text) === 0 || isUnspecified(text) ? undefined : text),
    isNo('address that peers can reach'),
    'write an IP address such as 192.0.2.1, an IPv6 one without brackets',
  ).optional(),
  'next-hop': read<string>(
    parseNextHop,
    isNo('next hop'),
    'write sip:HOST or sip:HOST:PORT, with ;transport=tcp or tls where it is not to be udp',
  ).optional(),
  'dns-servers': read<readonly string[]>(
    listOf(parseDnsServer),
    isNo('list of DNS servers'),
    'write addresses such as 192.0.2.53,[2001:db8::53]:5353 with commas between, each once',
  ).optional(),
  ...accessSchema,
  forward: oneOf(['on', 'off'] as const),
  'forward-seconds': read(
    (text) => (/^[1-9]\d?$/.test(text) && +text <= FORWARD_SECONDS_MAX ? +text : undefined),
    isNo('number of seconds'),
    `write a whole number from 1 to ${FORWARD_SECONDS_MAX}`,
  ),
  'defer-on': read<readonly number[]>(
    listOf((text) => (/^[345]\d\d$/.test(text) && !SAID_NO.has(+text) ? +text : undefined)),
    isNo('list of answers that say: not there'),
    `write statuses from 300 to 599 with commas between, each once, but ${[...SAID_NO].join(', ')}`,
  ),
  'reg-event': oneOf(['on', 'off'] as const),
  journal: oneOf(JOURNALS),
  'drain-seconds': read(
    (text) => (/^\d{1,4}$/.test(text) && +text <= DRAIN_SECONDS_MAX ? +text : undefined),
    isNo('number of seconds'),
    `write a whole number from 0 to ${DRAIN_SECONDS_MAX}`,
  ),
  'log-level': oneOf(LOG_LEVELS),
  'store-host': hostName,
  'im-address': read(
    (text) => (parseUri(text)?.scheme === 'sip' && parseUri(text)?.user ? text : undefined),
    isNo('SIP address'),
    'write sip:USER@HOST',
  ),
} satisfies Record<SettingName, z.ZodType>);
