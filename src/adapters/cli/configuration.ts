/** Flag > environment > file > default; what is not known is an error, not a surprise. */
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import type { SipTransport } from '../../wire/sip/hop.ts';
import { isNumeric, transportsOf } from '../../wire/sip/locate.ts';
import type { TransportAddress } from '../../wire/sip/transport-address.ts';
import { parseUri } from '../../wire/sip/uri.ts';
import { type AccessConfig, accessConfig } from './access-settings.ts';
import {
  type LargeConfig,
  largeConfig,
  type MsrpTlsConfig,
  msrpTlsConfig,
} from './large-settings.ts';
import { type HostPort, hostPortText, isUnspecified } from './listen-address.ts';
import { nearestWord } from './nearest-word.ts';
import type { Problem } from './problem.ts';
import { SETTING_NAMES, SETTINGS, type SettingName, settingsSchema } from './settings.ts';

/** What `restante serve` is started with: plain data, every default filled in. */
export interface ServeConfig {
  /** Lower case. */
  readonly domain: string;
  readonly data: string;
  /** `lmdb:DIR` or `memory:`. */
  readonly store: string;
  readonly sipListen: readonly TransportAddress[];
  /** Paths of PEM files; the key's is that of the certificate unless it was named. */
  readonly tls: { readonly certificate?: string; readonly key?: string; readonly ca?: string };
  /** Absent: pages of any origin may connect by WebSocket. */
  readonly webSocketOrigins?: readonly string[];
  readonly msrpListen: HostPort;
  readonly msrpTls: MsrpTlsConfig;
  readonly large: LargeConfig;
  readonly httpListen: HostPort;
  /** Address that peers are told; absent: the one that is listened on. */
  readonly advertise?: string;
  /** Absent: requests go to the registered contact. */
  readonly nextHop?: string;
  /** `ADDRESS` or `ADDRESS:PORT`; absent: the system's. */
  readonly dnsServers?: readonly string[];
  /** Networks for `trustedPeers`, and `tls:NAME` for `trustedNames`. */
  readonly trust: readonly string[];
  readonly access: AccessConfig;
  /** Absent: every message is kept and pushed. */
  readonly forwarding?: { readonly seconds: number; readonly deferOn: readonly number[] };
  /** Registrations are subscribed to where the IM tag is merely assumed. */
  readonly regEvent: boolean;
  readonly journal: 'headers' | 'full' | 'off';
  readonly drainSeconds: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly storeHost: string;
  readonly imAddress: string;
}

export type Source = 'flag' | 'environment' | 'file' | 'default';

/** One setting as it stands: its text and who said so. */
export interface Effective {
  readonly name: SettingName;
  /** `undefined`: not set, and no default. */
  readonly text: string | undefined;
  readonly source: Source;
}

export interface ConfigurationSources {
  /** By flag name, without the dashes. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file?: { readonly path: string; readonly text: string };
}

export type Configuration =
  | {
      readonly kind: 'configuration';
      readonly config: ServeConfig;
      readonly effective: readonly Effective[];
    }
  | { readonly kind: 'failure'; readonly problems: readonly Problem[] };

const PREFIX = 'RESTANTE_';
/** Names the file of settings. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`;
/** Read by the tests, and inherited by the servers that they start. */
const FOREIGN_VARIABLES = [`${PREFIX}SEED`, `${PREFIX}VERIFY`];

function variableOf(name: string): string {
  return PREFIX + name.toUpperCase().replaceAll('-', '_');
}

const VARIABLES: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.map((name) => [variableOf(name), name]),
);

interface Given {
  readonly texts: Partial<Record<SettingName, string>>;
  readonly problems: readonly Problem[];
}

function suggestion(word: string, known: readonly string[]): string {
  const nearest = nearestWord(word, known);
  return nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`;
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

function fromEnvironment(environment: ConfigurationSources['environment']): Given {
  const texts: Given['texts'] = {};
  const problems: Problem[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || FOREIGN_VARIABLES.includes(variable)) continue;
    const name = VARIABLES.get(variable);
    // An empty variable is how a shell or a unit file says: not set.
    if (name !== undefined && text) texts[name] = text;
    if (name === undefined && variable !== CONFIG_VARIABLE) {
      const todo = suggestion(variable, [...VARIABLES.keys(), CONFIG_VARIABLE]);
      problems.push({ what: `${variable} is no setting`, where: 'environment', todo });
    }
  }
  return { texts, problems };
}

/** A scalar, or a list of them as a comma list. */
function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    const items = value.map(textOf);
    return items.includes(undefined) ? undefined : items.join(',');
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}

function fromFile(file: ConfigurationSources['file']): Given {
  if (!file) return { texts: {}, problems: [] };
  const where = file.path;
  const document = parseDocument(file.text);
  const [error] = document.errors;
  if (error) {
    const what = `no YAML: ${error.message.split('\n')[0]}`;
    return { texts: {}, problems: [{ what, where, todo: 'correct the file' }] };
  }
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    const todo = `write one "name: value" a line; names are ${SETTING_NAMES.join(', ')}`;
    return { texts: {}, problems: [{ what: 'the file holds no settings', where, todo }] };
  }
  const texts: Given['texts'] = {};
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(content)) {
    const text = textOf(value);
    if (!isSetting(name)) {
      const todo = suggestion(name, SETTING_NAMES);
      problems.push({ what: `${JSON.stringify(name)} is no setting`, where, todo });
    } else if (text !== undefined) {
      texts[name] = text;
    } else if (value !== null) {
      const what = `${name} has parts of its own`;
      problems.push({ what, where, todo: 'write a text, a number or a list of them' });
    }
  }
  return { texts, problems };
}

function settle(flags: Given['texts'], environment: Given['texts'], file: Given['texts']) {
  const effective = new Map<SettingName, Effective>();
  const texts: Record<string, string | undefined> = {};
  const given = [
    ['flag', flags],
    ['environment', environment],
    ['file', file],
  ] as const;
  for (const name of SETTING_NAMES) {
    const found = given.find(([, said]) => said[name] !== undefined);
    const text = found ? found[1][name] : SETTINGS[name].fallback(texts);
    texts[name] = text;
    effective.set(name, { name, text, source: found?.[0] ?? 'default' });
  }
  return effective;
}

function placeOf({ name, source }: Effective, file: ConfigurationSources['file']): string {
  if (source === 'flag') return `--${name}`;
  return source === 'environment' ? variableOf(name) : `${name} in ${file?.path}`;
}

/** Puts the settings together and reads them; all problems at once. */
export function readConfiguration(sources: ConfigurationSources): Configuration {
  const environment = fromEnvironment(sources.environment);
  const file = fromFile(sources.file);
  const effective = settle(sources.flags, environment.texts, file.texts);
  const problems = [...environment.problems, ...file.problems];
  const texts = [...effective.values()].filter(({ text }) => text !== undefined);
  const read = settingsSchema.safeParse(
    Object.fromEntries(texts.map(({ name, text }) => [name, text])),
  );
  for (const issue of read.error?.issues ?? []) {
    const setting = effective.get(issue.path[0] as SettingName);
    // A default is wrong only when what it is derived from is, and that is told.
    if (!setting || setting.source === 'default') continue;
    const todo = issue.code === 'custom' ? String(issue.params?.todo) : '';
    problems.push({ what: issue.message, where: placeOf(setting, sources.file), todo });
  }
  if (!read.success || problems.length > 0) return { kind: 'failure', problems };
  const config = serveConfig(read.data);
  const conflict = namelessAddress(config) ?? bareTls(config) ?? unreachableHop(config);
  const setting = conflict && effective.get(conflict.name);
  if (setting) {
    const { what, todo } = conflict;
    const where = placeOf(setting, sources.file);
    return { kind: 'failure', problems: [{ what, where, todo }] };
  }
  return { kind: 'configuration', config, effective: [...effective.values()] };
}

/** Settings that are right by themselves and not together. */
interface Conflict {
  readonly name: SettingName;
  readonly what: string;
  readonly todo: string;
}

function bareTls({ sipListen, msrpTls, tls }: ServeConfig): Conflict | undefined {
  if (msrpTls.push && msrpTls.listen === undefined) {
    const todo = 'say with --msrp-tls-listen where clients connect to';
    return { name: 'msrp-push', what: 'MSRP over TLS is not listened for', todo };
  }
  if (tls.certificate !== undefined) return undefined;
  if (msrpTls.listen !== undefined) {
    const todo = 'name its files with --tls-certificate and --tls-key';
    return { name: 'msrp-tls-listen', what: 'MSRP over TLS needs a certificate', todo };
  }
  if (tls.key !== undefined) {
    const todo = 'name the file of its certificate with --tls-certificate';
    return { name: 'tls-key', what: 'a key alone is of no use', todo };
  }
  const bare = sipListen.find(({ transport }) => transport === 'tls' || transport === 'wss');
  return (
    bare && {
      name: 'sip-listen',
      what: `${bare.transport}://${hostPortText(bare)} needs a certificate`,
      todo: 'name its files with --tls-certificate and --tls-key',
    }
  );
}

/** Requests leave by an address that is listened on: without one of its kind none ever would. */
function unreachableHop({ sipListen, nextHop }: ServeConfig): Conflict | undefined {
  if (nextHop === undefined) return undefined;
  const uri = parseUri(nextHop);
  const allowed = uri ? transportsOf(uri) : [];
  const v6 = uri?.host.startsWith('[') ?? false;
  // The family of a name is known when it is looked up.
  const anyFamily = !uri || !isNumeric(uri);
  const fits = (own: { readonly transport: SipTransport; readonly host: string }) =>
    allowed.includes(own.transport) && (anyFamily || own.host.includes(':') === v6);
  if (sipListen.some(fits)) return undefined;
  const family = anyFamily ? '' : ` of ${v6 ? 'IPv6' : 'IPv4'}`;
  return {
    name: 'next-hop',
    what: `nothing can be sent to ${nextHop}`,
    todo: `add an address ${allowed[0]}://…${family} to --sip-listen, or name another next hop`,
  };
}

/** An address that stands for all of the machine's, so that it says nothing to a peer. */
function namelessAddress(config: ServeConfig): Conflict | undefined {
  const { advertise, sipListen, msrpListen, msrpTls } = config;
  if (advertise !== undefined) return undefined;
  const listened = [
    ...sipListen.map(({ host }) => ({ name: 'sip-listen', host }) as const),
    { name: 'msrp-listen', host: msrpListen.host } as const,
    ...(msrpTls.listen ? [{ name: 'msrp-tls-listen', host: msrpTls.listen.host } as const] : []),
  ];
  const unnamed = listened.find(({ host }) => isUnspecified(host));
  return (
    unnamed && {
      name: unnamed.name,
      what: `peers cannot be told to come to ${unnamed.host}`,
      todo: 'say with --advertise at which address they reach this server',
    }
  );
}

function serveConfig(values: z.output<typeof settingsSchema>): ServeConfig {
  const { domain, data, store, trust, journal } = values;
  const { advertise, 'next-hop': nextHop, 'dns-servers': dnsServers } = values;
  const { 'tls-certificate': certificate, 'tls-key': key, 'tls-ca': ca } = values;
  const { 'ws-origins': webSocketOrigins } = values;
  return {
    domain,
    data,
    store,
    sipListen: values['sip-listen'],
    tls: {
      ...(certificate === undefined ? {} : { certificate }),
      ...(key === undefined ? {} : { key }),
      ...(ca === undefined ? {} : { ca }),
    },
    ...(webSocketOrigins === undefined ? {} : { webSocketOrigins }),
    msrpListen: values['msrp-listen'],
    msrpTls: msrpTlsConfig(values),
    large: largeConfig(values),
    httpListen: values['http-listen'],
    ...(advertise === undefined ? {} : { advertise }),
    ...(nextHop === undefined ? {} : { nextHop }),
    ...(dnsServers === undefined ? {} : { dnsServers }),
    trust,
    access: accessConfig(values),
    ...(values.forward === 'on' ? { forwarding: forwardingOf(values) } : {}),
    regEvent: values['reg-event'] === 'on',
    journal,
    drainSeconds: values['drain-seconds'],
    logLevel: values['log-level'],
    storeHost: values['store-host'],
    imAddress: values['im-address'],
  };
}

function forwardingOf(values: z.output<typeof settingsSchema>) {
  return { seconds: values['forward-seconds'], deferOn: values['defer-on'] };
}
