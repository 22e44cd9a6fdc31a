import { describe, expect, it } from 'vitest';
import {
  type ConfigurationSources,
  readConfiguration,
} from '../../../src/adapters/cli/configuration.ts';
import { SETTING_NAMES } from '../../../src/adapters/cli/settings.ts';

interface Given {
  readonly flags?: ConfigurationSources['flags'];
  readonly environment?: ConfigurationSources['environment'];
  readonly file?: string;
}

function sources({ flags = {}, environment = {}, file }: Given): ConfigurationSources {
  const named = file === undefined ? {} : { file: { path: 'restante.yaml', text: file } };
  return { flags, environment, ...named };
}

function configuration(given: Given) {
  const read = readConfiguration(sources(given));
  if (read.kind === 'failure') throw new Error(JSON.stringify(read.problems));
  return read;
}

function problems(given: Given) {
  const read = readConfiguration(sources(given));
  return read.kind === 'failure' ? read.problems : [];
}

describe('configuration', () => {
  it('is complete with nothing given', () => {
    const { config, effective } = configuration({});
    expect(config).toEqual({
      domain: 'example.org',
      access: {
        realm: 'example.org',
        digestAlgorithms: ['SHA-512-256', 'SHA-256', 'MD5'],
        sourceRate: { perSecond: 50, burst: 200 },
        inFlightMax: 5000,
      },
      data: './data',
      store: 'lmdb:./data/store',
      sipListen: [
        { transport: 'udp', host: '127.0.0.1', port: 5060 },
        { transport: 'tcp', host: '127.0.0.1', port: 5060 },
      ],
      tls: {},
      msrpListen: { host: '127.0.0.1', port: 2855 },
      msrpTls: { push: false },
      large: { bytesMax: 10_485_760, idleSeconds: 60, acceptUntagged: true, lateOffer: true },
      httpListen: { host: '127.0.0.1', port: 8080 },
      trust: ['127.0.0.0/8', '::1/128'],
      forwarding: { seconds: 10, deferOn: [404, 408, 410, 430, 480, 487, 503, 504] },
      regEvent: false,
      journal: 'headers',
      drainSeconds: 10,
      logLevel: 'info',
      storeHost: 'store.example.org',
      imAddress: 'sip:im-store@example.org',
    });
    expect(effective.map(({ name }) => name)).toEqual(SETTING_NAMES);
    expect(new Set(effective.map(({ source }) => source))).toEqual(new Set(['default']));
  });

  const flags = { domain: 'flag.example' };
  const environment = { RESTANTE_DOMAIN: 'environment.example' };
  const file = 'domain: file.example';
  it.each([
    [{ flags, environment, file }, 'flag.example', 'flag'],
    [{ flags, file }, 'flag.example', 'flag'],
    [{ environment, file }, 'environment.example', 'environment'],
    [{ environment: { RESTANTE_DOMAIN: '' }, file }, 'file.example', 'file'],
    [{ file }, 'file.example', 'file'],
    [{ file: 'domain:' }, 'example.org', 'default'],
    [{ file: '' }, 'example.org', 'default'],
  ])('%j → %s from the %s', (given, domain, source) => {
    const { config, effective } = configuration(given);
    expect(config.domain).toBe(domain);
    expect(effective.find(({ name }) => name === 'domain')?.source).toBe(source);
    expect(config.storeHost).toBe(`store.${domain}`);
    expect(config.imAddress).toBe(`sip:im-store@${domain}`);
  });

  it('reads every setting from each source alike', () => {
    const texts: Record<string, string> = {
      domain: 'Example.NET',
      data: '/var/lib/restante/',
      store: 'memory:',
      'sip-listen': 'tcp://[::1]:0, udp://0.0.0.0:5062',
      'msrp-listen': '[2001:db8::1]:2856',
      'http-listen': 'localhost:0',
      advertise: '192.0.2.1',
      'next-hop': 'sip:[2001:db8::2]:5070;transport=TCP',
      'dns-servers': '192.0.2.53, [2001:db8::53]:5353',
      trust: '192.0.2.0/24, 2001:db8::/32, 198.51.100.7',
      ...{ forward: 'on', 'forward-seconds': '5', 'defer-on': '480, 503' },
      'reg-event': 'on',
      journal: 'full',
      'drain-seconds': '0',
      'log-level': 'silent',
      'store-host': 'store-1.example.net',
      'im-address': 'sip:im@example.net',
    };
    const variables = Object.entries(texts).map(([name, text]) => [
      `RESTANTE_${name.toUpperCase().replaceAll('-', '_')}`,
      text,
    ]);
    const fromFlags = configuration({ flags: texts }).config;
    expect(fromFlags).toMatchObject({
      domain: 'example.net',
      sipListen: [
        { transport: 'tcp', host: '::1', port: 0 },
        { transport: 'udp', host: '0.0.0.0', port: 5062 },
      ],
      msrpListen: { host: '2001:db8::1', port: 2856 },
      nextHop: 'sip:[2001:db8::2]:5070;transport=TCP',
      dnsServers: ['192.0.2.53', '[2001:db8::53]:5353'],
      forwarding: { seconds: 5, deferOn: [480, 503] },
      regEvent: true,
      drainSeconds: 0,
    });
    const fromEnvironment = configuration({ environment: Object.fromEntries(variables) });
    expect(fromEnvironment.config).toEqual(fromFlags);
    expect(configuration({ file: JSON.stringify(texts) }).config).toEqual(fromFlags);
    expect(configuration({ flags: { data: '/srv/x/' } }).config.store).toBe('lmdb:/srv/x/store');
    expect(configuration({ flags: { forward: 'off' } }).config.forwarding).toBeUndefined();
  });

  it('takes lists and numbers of a file as YAML writes them', () => {
    const text = 'trust:\n  - 192.0.2.0/24\n  - ::1\ndrain-seconds: 5\n';
    expect(configuration({ file: text }).config).toMatchObject({
      trust: ['192.0.2.0/24', '::1'],
      drainSeconds: 5,
    });
  });

  it.each([
    ['domain', 'exa mple'],
    ['store', 'postgres:x'],
    ['sip-listen', '127.0.0.1:5060'],
    ['sip-listen', 'udp://127.0.0.1:5060,udp://127.0.0.1:5060'],
    ['sip-listen', 'udp://[127.0.0.1]:5060'],
    ['sip-listen', 'tls://127.0.0.1:5061,sctp://127.0.0.1'],
    ['ws-origins', 'https://chat.example/page'],
    ['msrp-listen', '127.0.0.1:65536'],
    ['http-listen', '8080'],
    ['advertise', '0.0.0.0'],
    ['next-hop', 'sip:bob@127.0.0.1'],
    ['next-hop', 'sip:127.0.0.1;transport=sctp'],
    ['next-hop', 'sips:core.example.org;transport=udp'],
    ['next-hop', 'sip:core.example.org;transport=ws'],
    ['dns-servers', 'dns.example.org'],
    ['dns-servers', '192.0.2.53:0'],
    ['trust', '192.0.2.0/33'],
    ['journal', 'everything'],
    ['drain-seconds', '-1'],
    ['forward', 'yes'],
    ['forward-seconds', '12'],
    ['forward-seconds', '0'],
    ['defer-on', '480,486'],
    ['defer-on', '600'],
    ['defer-on', '200'],
    ['log-level', 'loud'],
    ['im-address', 'im-store@example.org'],
  ])('%s %j is turned down with what to write', (name, text) => {
    const found = problems({ flags: { [name]: text } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      where: `--${name}`,
      todo: expect.stringMatching(/^(write|name)/),
    });
    expect(found[0]?.what).toContain(JSON.stringify(text));
  });

  it('listens for TLS and WebSocket, at their own ports when none is given [RFC 3261 §19.1.2]', () => {
    const flags = {
      'sip-listen': 'tls://192.0.2.1,ws://[2001:db8::1]:8081,wss://192.0.2.1,tcp://192.0.2.1',
      'tls-certificate': '/etc/server.pem',
      'ws-origins': 'https://chat.example, http://127.0.0.1:3000',
    };
    expect(configuration({ flags }).config).toMatchObject({
      sipListen: [
        { transport: 'tls', host: '192.0.2.1', port: 5061 },
        { transport: 'ws', host: '2001:db8::1', port: 8081 },
        { transport: 'wss', host: '192.0.2.1', port: 443 },
        { transport: 'tcp', host: '192.0.2.1', port: 5060 },
      ],
      // The key may be in the same file.
      tls: { certificate: '/etc/server.pem', key: '/etc/server.pem' },
      webSocketOrigins: ['https://chat.example', 'http://127.0.0.1:3000'],
    });
  });

  it.each([
    ['sip-listen', 'tls://127.0.0.1', /tls:\/\/127.0.0.1:5061 needs a certificate/],
    ['sip-listen', 'udp://127.0.0.1,wss://127.0.0.1', /wss:\/\/127.0.0.1:443 needs a certificate/],
    ['tls-key', '/etc/server.key', /a key alone/],
  ])('wants a certificate for --%s %s', (name, text, what) => {
    const [problem] = problems({ flags: { [name]: text } });
    expect(problem).toMatchObject({
      where: `--${name}`,
      what: expect.stringMatching(what),
      todo: expect.stringContaining('--tls-certificate'),
    });
  });

  it('wants an address for peers when it listens on all of its own', () => {
    const [problem] = problems({ flags: { 'msrp-listen': '[::]:2855' } });
    expect(problem).toMatchObject({
      where: '--msrp-listen',
      todo: expect.stringMatching('advertise'),
    });
    const flags = { 'sip-listen': 'udp://0.0.0.0:5060', advertise: '192.0.2.1' };
    expect(configuration({ flags }).config.advertise).toBe('192.0.2.1');
  });

  it.each([
    ['sip:192.0.2.1;transport=tcp', 'udp://127.0.0.1:5060', 'tcp://… of IPv4'],
    ['sip:[2001:db8::1]', 'udp://127.0.0.1:5060', 'udp://… of IPv6'],
    ['sip:core.example.org;transport=tcp', 'udp://127.0.0.1:5060', 'tcp://… to'],
  ])('turns down next hop %s when it listens on %s alone', (nextHop, listen, wanted) => {
    const [problem] = problems({ flags: { 'next-hop': nextHop, 'sip-listen': listen } });
    expect(problem?.where).toBe('--next-hop');
    expect(problem?.todo).toContain(wanted);
    const other = `${listen},tcp://127.0.0.1:5060,udp://[::1]:5060`;
    const flags = { 'next-hop': nextHop, 'sip-listen': other };
    expect(configuration({ flags }).config.nextHop).toBeDefined();
  });

  it('names the place of a bad value: variable, or key and file', () => {
    const environment = { RESTANTE_JOURNAL: 'x' };
    expect(problems({ environment })[0]?.where).toBe('RESTANTE_JOURNAL');
    expect(problems({ file: 'journal: x' })[0]?.where).toBe('journal in restante.yaml');
  });

  it('turns down what it does not know and suggests what was meant', () => {
    expect(problems({ environment: { RESTANTE_SIP_LISTN: 'x' } })).toEqual([
      {
        what: 'RESTANTE_SIP_LISTN is no setting',
        where: 'environment',
        todo: 'did you mean RESTANTE_SIP_LISTEN?',
      },
    ]);
    expect(problems({ file: 'log_level: info' })[0]?.todo).toBe('did you mean log-level?');
    expect(problems({ file: 'zzzzzzzzzz: info' })[0]?.todo).toContain('known are domain, data');
    expect(problems({ file: 'constructor: 1' })[0]?.what).toBe('"constructor" is no setting');
  });

  it('tells all problems at once', () => {
    const environment = { RESTANTE_JOURNAL: 'x', RESTANTE_X: 'y' };
    expect(problems({ environment, file: 'trust: {a: 1}\ndrain-seconds: soon' })).toHaveLength(4);
  });

  it('leaves the variables of the tests alone', () => {
    expect(
      problems({ environment: { RESTANTE_SEED: '7', RESTANTE_VERIFY: '1', HOME: '/' } }),
    ).toEqual([]);
  });

  it.each(['domain: [', '- domain', 'just text', 'domain: a.example\ndomain: b.example'])(
    'a file with %j is turned down by name',
    (text) => {
      const found = problems({ file: text });
      expect(found).toHaveLength(1);
      expect(found[0]?.where).toBe('restante.yaml');
    },
  );
});
