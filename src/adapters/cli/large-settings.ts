/** The settings of Large Message mode and of MSRP over TLS: docs/msrp.md. */
import type { z } from 'zod';
import { type HostPort, parseListen } from './listen-address.ts';
import { isNo, read } from './read-setting.ts';

export interface LargeConfig {
  /** `large.maxBytes`: octets of one message. */
  readonly bytesMax: number;
  /** `large.idleTimeout`. */
  readonly idleSeconds: number;
  /** `large.acceptUntagged` and `large.lateOffer`. */
  readonly acceptUntagged: boolean;
  readonly lateOffer: boolean;
}

export interface MsrpTlsConfig {
  /** Where MSRP over TLS is taken; absent: nowhere. */
  readonly listen?: HostPort;
  /** Pushes are offered over TLS. */
  readonly push: boolean;
}

const MIB = 1024 * 1024;
/** A `max-size` of more digits is read by nobody. */
const LARGE_BYTES_MAX = 1024 * 1024 * MIB;
const IDLE_SECONDS_MAX = 3_600;

const always = (text: string) => ({ defaults: text, fallback: () => text });

export const LARGE_SETTINGS = {
  'large-bytes': {
    placeholder: 'OCTETS',
    about: 'largest message that is taken by a session (Large Message mode)',
    ...always(String(10 * MIB)),
  },
  'large-idle-seconds': {
    placeholder: 'SECONDS',
    about: 'how long a sender may say nothing before its session is ended',
    ...always('60'),
  },
  'large-untagged': {
    placeholder: 'on|off',
    about: 'take a one-way session for a message even when nothing says that it is Large mode',
    ...always('on'),
  },
  'large-late-offer': {
    placeholder: 'on|off',
    about: 'take an INVITE of Large mode without a description, and answer with one',
    ...always('on'),
  },
  'msrp-tls-listen': {
    placeholder: 'HOST:PORT',
    about: 'where MSRP over TLS is taken, with the certificate of --tls-certificate (else nowhere)',
    fallback: () => undefined,
  },
  'msrp-push': {
    placeholder: 'tcp|tls',
    about: 'how messages are pushed: tls needs --msrp-tls-listen, and clients that know it',
    ...always('tcp'),
  },
} as const;

function wholeNumber(from: number, to: number, what: string) {
  return read(
    (text) => (/^\d{1,13}$/.test(text) && +text >= from && +text <= to ? +text : undefined),
    isNo(what),
    `write a whole number from ${from} to ${to}`,
  );
}

function choice<Word extends string>(...words: readonly Word[]) {
  return read(
    (text) => words.find((word) => word === text),
    isNo('choice here'),
    `write one of ${words.join(', ')}`,
  );
}

export const largeSchema = {
  'large-bytes': wholeNumber(1, LARGE_BYTES_MAX, 'number of octets'),
  'large-idle-seconds': wholeNumber(1, IDLE_SECONDS_MAX, 'number of seconds'),
  'large-untagged': choice('on', 'off'),
  'large-late-offer': choice('on', 'off'),
  'msrp-tls-listen': read<HostPort>(
    parseListen,
    isNo('address to listen on'),
    'write HOST:PORT, an IPv6 host in brackets, port 0 for any free one',
  ).optional(),
  'msrp-push': choice('tcp', 'tls'),
};

type Values = z.output<z.ZodObject<typeof largeSchema>>;

export function largeConfig(values: Values): LargeConfig {
  return {
    bytesMax: values['large-bytes'],
    idleSeconds: values['large-idle-seconds'],
    acceptUntagged: values['large-untagged'] === 'on',
    lateOffer: values['large-late-offer'] === 'on',
  };
}

export function msrpTlsConfig(values: Values): MsrpTlsConfig {
  const listen = values['msrp-tls-listen'];
  return { ...(listen === undefined ? {} : { listen }), push: values['msrp-push'] === 'tls' };
}
