/** A real DNS server on loopback, `dnsmasq`, with the records that a test writes down. */
import { spawn, spawnSync } from 'node:child_process';

import { once } from 'node:events';
import { freePort } from './server.ts';

const READY_WITHIN_MS = 5_000;

export interface DnsRecords {
  /** `name,IPv4` or `name,IPv6`, or both; one name may stand in several. */
  readonly hosts?: readonly string[];
  /** `_service._proto.name,target,port,priority,weight`. */
  readonly services?: readonly string[];
  /** `name,order,preference,flags,service,regexp,replacement`. */
  readonly rules?: readonly string[];
  readonly ttlSeconds?: number;
}

export interface DnsServer {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Each question so far: `SRV _sip._udp.core.test`. */
  asked(): readonly string[];
  close(): Promise<void>;
}

/** Whether the server is there; says loudly when it is not. */
export function dnsServerAvailable(): boolean {
  const available = spawnSync('dnsmasq', ['--version']).status === 0;
  if (!available) {
    console.warn(
      'SKIPPED: dnsmasq is not installed, so no name was looked up: install dnsmasq-base',
    );
  }
  return available;
}

/** Answers for the domain `test` alone; any other name is refused. */
export async function dnsServer(records: DnsRecords): Promise<DnsServer> {
  const port = await freePort();
  const { hosts = [], services = [], rules = [], ttlSeconds = 60 } = records;
  const child = spawn(
    'dnsmasq',
    [
      '--no-daemon --no-resolv --no-hosts --conf-file=/dev/null --pid-file= --bind-interfaces',
      `--listen-address=127.0.0.1 --port=${port} --local=/test/ --cache-size=0 --log-queries`,
      `--log-facility=- --local-ttl=${ttlSeconds}`,
    ]
      .join(' ')
      .split(' ')
      .concat(hosts.map((text) => `--host-record=${text}`))
      .concat(services.map((text) => `--srv-host=${text}`))
      .concat(rules.map((text) => `--naptr-record=${text}`)),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk;
  });
  const ended = once(child, 'exit');
  const waitedUntil = Date.now() + READY_WITHIN_MS;
  while (!log.includes('started')) {
    if (child.exitCode !== null || Date.now() > waitedUntil) {
      child.kill('SIGKILL');
      throw new Error(`dnsmasq did not start: ${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    address: `127.0.0.1:${port}`,
    asked: () =>
      [...log.matchAll(/query\[(\w+)\] (\S+) from/g)].map(([, type, name]) => `${type} ${name}`),
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
