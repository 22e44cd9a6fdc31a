/** The settings of who may come in, and how much of each: docs/access.md. */
import { DIGEST_ALGORITHMS, type DigestAlgorithm } from '../../wire/sip/digest-fields.ts';
import { isNo, read } from './read-setting.ts';
import { isTrust } from './trusted-peers.ts';

/** Requests a second on average, and at once. */
export interface RateText {
  readonly perSecond: number;
  readonly burst: number;
}

export interface AccessConfig {
  /** File of the users that prove by digest who they are; absent: there are none. */
  readonly credentials?: string;
  /** Of their passwords. */
  readonly realm: string;
  readonly digestAlgorithms: readonly DigestAlgorithm[];
  /** File of what this server answers when the core challenges it. */
  readonly pushCredentials?: string;
  /** Of one address that is not trusted; absent: no limit. */
  readonly sourceRate?: RateText;
  /** Of one sender; absent: no limit. */
  readonly senderRate?: RateText;
  readonly inFlightMax: number;
}

export const ACCESS_SETTINGS = {
  trust: {
    placeholder: 'LIST',
    about: 'peers whose asserted identities are believed: networks, and tls:NAME of certificates',
    defaults: '127.0.0.0/8,::1/128',
    fallback: () => '127.0.0.0/8,::1/128',
  },
  credentials: {
    placeholder: 'FILE',
    about: 'users that may prove by digest who they are (else none), see restante credentials',
    fallback: () => undefined,
  },
  realm: {
    placeholder: 'NAME',
    about: 'realm of their passwords',
    defaults: '<domain>',
    fallback: ({ domain }: Readonly<Record<string, string | undefined>>) => domain,
  },
  'digest-algorithms': {
    placeholder: 'LIST',
    about: 'what they are asked for; MD5 alone for clients that know no other',
    defaults: DIGEST_ALGORITHMS.join(','),
    fallback: () => DIGEST_ALGORITHMS.join(','),
  },
  'push-credentials': {
    placeholder: 'FILE',
    about: 'as whom this server answers a core that challenges it, see restante credentials',
    fallback: () => undefined,
  },
  'source-rate': {
    placeholder: 'RATE',
    about: 'requests a second, and at once, of one address that is not trusted: 50:200, or off',
    defaults: '50:200',
    fallback: () => '50:200',
  },
  'sender-rate': {
    placeholder: 'RATE',
    about: 'messages a second, and at once, of one sender: 10:100, or off',
    defaults: 'off',
    fallback: () => 'off',
  },
  'in-flight-max': {
    placeholder: 'COUNT',
    about: 'requests without an answer, above which new ones are answered 503',
    defaults: '5000',
    fallback: () => '5000',
  },
} as const;

const RATE_MAX = 1_000_000;
const IN_FLIGHT_MAX = 100_000;

function parseRate(text: string): RateText | 'off' | undefined {
  if (text === 'off') return 'off';
  const [, first, second] = /^(\d{1,7}):(\d{1,7})$/.exec(text) ?? [];
  const [perSecond, burst] = [Number(first), Number(second)];
  return perSecond >= 1 && burst >= 1 && Math.max(perSecond, burst) <= RATE_MAX
    ? { perSecond, burst }
    : undefined;
}

function parseTrust(text: string): readonly string[] | undefined {
  const items = text.split(',').map((item) => item.trim());
  return new Set(items).size === items.length && items.every(isTrust) ? items : undefined;
}

function parseAlgorithms(text: string): readonly DigestAlgorithm[] | undefined {
  const words = text.split(',').map((word) => word.trim().toUpperCase());
  const known = DIGEST_ALGORITHMS.filter((name) => words.includes(name));
  return known.length === words.length ? known : undefined;
}

const file = read((text) => text || undefined, isNo('file'), 'name a file');
const rate = read(
  parseRate,
  isNo('rate'),
  'write REQUESTS:BURST, such as 50:200 for 50 a second and 200 at once, or off',
);

/** Texts in, values out; the keys are those of `ACCESS_SETTINGS`. */
export const accessSchema = {
  trust: read(
    parseTrust,
    isNo('list of peers'),
    'write networks such as 192.0.2.0/24,2001:db8::/32 and names such as tls:core.example.org ' +
      'with commas between, each once',
  ),
  credentials: file.optional(),
  realm: read(
    (text) => (/^[\x20-\x7e]{1,100}$/.test(text) && !/["\\]/.test(text) ? text : undefined),
    isNo('realm'),
    'write a name such as example.org, without quotes and backslashes',
  ),
  'digest-algorithms': read(
    parseAlgorithms,
    isNo('list of algorithms'),
    `write some of ${DIGEST_ALGORITHMS.join(',')} with commas between, each once`,
  ),
  'push-credentials': file.optional(),
  'source-rate': rate,
  'sender-rate': rate,
  'in-flight-max': read(
    (text) => (/^[1-9]\d{0,5}$/.test(text) && +text <= IN_FLIGHT_MAX ? +text : undefined),
    isNo('number of requests'),
    `write a whole number from 1 to ${IN_FLIGHT_MAX}`,
  ),
};

export function accessConfig(values: {
  readonly credentials?: string | undefined;
  readonly realm: string;
  readonly 'digest-algorithms': readonly DigestAlgorithm[];
  readonly 'push-credentials'?: string | undefined;
  readonly 'source-rate': RateText | 'off';
  readonly 'sender-rate': RateText | 'off';
  readonly 'in-flight-max': number;
}): AccessConfig {
  const { credentials, realm, 'push-credentials': pushCredentials } = values;
  const { 'source-rate': sourceRate, 'sender-rate': senderRate } = values;
  return {
    ...(credentials === undefined ? {} : { credentials }),
    realm,
    digestAlgorithms: values['digest-algorithms'],
    ...(pushCredentials === undefined ? {} : { pushCredentials }),
    ...(sourceRate === 'off' ? {} : { sourceRate }),
    ...(senderRate === 'off' ? {} : { senderRate }),
    inFlightMax: values['in-flight-max'],
  };
}
