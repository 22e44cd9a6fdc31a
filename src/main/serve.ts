/** The server: every adapter wired to the engine, started in order and drained in reverse. */
import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { Output } from '../adapters/cli/command-line.ts';
import type { ServeConfig } from '../adapters/cli/configuration.ts';
import type { HostPort } from '../adapters/cli/listen-address.ts';
import { trustedNetworks, trustedPeers } from '../adapters/cli/trusted-peers.ts';
import { hostClock } from '../adapters/host/clock.ts';
import { hostDigest, sipDigestHash } from '../adapters/host/digest.ts';
import { SECRET_OCTETS, storeSecret } from '../adapters/host/secret.ts';
import { openMetrics } from '../adapters/http/metrics.ts';
import { openHttp } from '../adapters/http/server.ts';
import { openLog } from '../adapters/log/pino-log.ts';
import { openSipAgent } from '../adapters/sip/agent.ts';
import { ownIdentity } from '../adapters/sip/own-identity.ts';
import { createDeferral } from '../deferral/deferral.ts';
import { lastMessageId, messageIds } from '../deferral/message-id.ts';
import { openSignals } from '../deferral/signals.ts';
import type { EventStore } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { RegistrationData } from '../machines/mailbox/events.ts';
import { openDeliveryView } from '../projections/in-flight.ts';
import { openAccess } from './access.ts';
import { openBlobs, openMsrp } from './open-msrp.ts';
import { openStore } from './open-store.ts';

const ENVIRONMENT = 3;

/** What the counter of registrations calls these events. */
const REGISTRATIONS: Readonly<Record<string, string>> = {
  SubscriberRegistered: 'registered',
  SubscriberDeregistered: 'changed',
};

export interface ServeOptions {
  readonly version: string;
  /** Aborted when the server is to drain and end. */
  readonly stop: AbortSignal;
}

/** Runs until it is told to stop; resolves to the exit code. */
export async function serve(
  config: ServeConfig,
  output: Output,
  { version, stop }: ServeOptions,
): Promise<number> {
  const log = openLog({ level: config.logLevel });
  const metrics = openMetrics();
  const undo: (() => Promise<void>)[] = [];
  const fail = async (what: string, todo: string): Promise<number> => {
    output.error(`restante serve: ${what}\n  to do: ${todo}\n`);
    for (const step of undo.reverse()) await step();
    return ENVIRONMENT;
  };
  const onFault = (where: string, fault: unknown): void => {
    log.error('fault', { where, fault });
  };

  const access = await openAccess(config.access, { trust: config.trust, onFault });
  if (access.kind === 'failure') return fail(access.what, 'correct the files of credentials');
  const opened = await openStore({
    url: config.store,
    readOnly: false,
    progress(events) {
      if (events > 0) log.info('viewsRebuilding', { events });
    },
  });
  if (opened.kind === 'failure') return fail(opened.what, opened.todo);
  const { store: views } = opened;
  undo.push(() => views.close());
  const store = timedAppends(views, metrics.appendTimed);
  const random = (octets: number): Uint8Array => randomBytes(octets);
  const secret =
    config.store === 'memory:' ? random(SECRET_OCTETS) : await storeSecret(config.data);
  const clock = hostClock;
  const digest = hostDigest;
  const node = config.storeHost;
  let readiness: 'starting' | 'ready' | 'draining' = 'starting';

  const http = await openHttp({
    listen: config.httpListen,
    readiness: () => readiness,
    metrics,
    onFault,
  });
  if (http.kind === 'failure') return fail(http.what, http.todo);
  undo.push(() => http.http.close());

  const signals = await openSignals({
    store,
    digest,
    clock,
    node,
    mode: config.journal,
    onFault,
    onSignal: (signal) => metrics.signalCounted(signal),
  });
  const nextMessageId = messageIds({
    host: config.storeHost,
    last: await lastMessageId(views),
    now: clock.now,
  });
  const identifiers = { messageId: nextMessageId, random };
  const blobs = await openBlobs(config).catch((error: Error) => error);
  if (blobs instanceof Error) {
    const what = `cannot keep contents in ${config.data}: ${blobs.message}`;
    return fail(what, 'make the folder of --data writable');
  }
  undo.push(() => blobs.close());
  const deferral = await createDeferral({
    store,
    views,
    clock,
    digest,
    node,
    secret,
    blobs,
    elapsedMs: () => performance.now(),
    onFault,
    onOutcome(stream, input, outcome) {
      const machine = parseStreamName(stream).category;
      const reason = outcome.outcome === 'refused' ? { reason: outcome.reason } : {};
      metrics.inputCounted({ machine, outcome: outcome.outcome, ...reason });
      const kind = REGISTRATIONS[input.type];
      if (kind !== undefined && outcome.outcome === 'accepted') {
        metrics.registrationCounted({ via: (input.data as RegistrationData).via, kind });
      }
      if (input.type === 'MessageDeferred') {
        metrics.depositTimed((clock.now() - input.at) / 1000);
      }
    },
    onEffect: ({ name }) => metrics.effectCounted({ name, outcome: 'asked' }),
  });
  metrics.watchOpenDeliveries(() => views.count(openDeliveryView));

  const msrp = await openMsrp(config, {
    ...{ blobs, signals, random, onFault },
    refused: ({ reason, section, remote }) => {
      metrics.refusedTrafficCounted(reason);
      log.debug('msrpRefused', { reason, section, remote });
    },
  }).catch((error: Error) => error);
  if (msrp instanceof Error) {
    const where = `msrp://${address(config.msrpListen)}`;
    const todo =
      'choose another --msrp-listen or --msrp-tls-listen, or correct the files of --tls-…';
    return fail(`cannot listen on ${where}: ${msrp.message}`, todo);
  }
  const { endpoint, channels } = msrp;
  undo.push(() => endpoint.close());
  const { advertise, forwarding } = config;
  const told = advertise === undefined ? {} : { advertise };

  const identity = ownIdentity({
    imAddress: config.imAddress,
    product: `IM-serv/OMA1.0 restante/${version}`,
    host: config.storeHost,
    digest,
    secret,
    random,
    ...told,
  });
  const agent = await openSipAgent({
    submit: deferral.submit,
    tell: deferral.tell,
    runner: deferral.runner,
    views,
    clock,
    digest,
    identifiers,
    signals,
    identity,
    channels,
    deposits: msrp.deposits,
    large: config.large,
    msrpTls: endpoint.tls !== undefined,
    domain: config.domain,
    trusted: trustedPeers(trustedNetworks(config.trust)),
    access: access.options,
    ...(access.own && { proof: { own: access.own, hash: sipDigestHash } }),
    draining: () => readiness === 'draining',
    ...(forwarding && { forwarding: { ...forwarding, deferOn: new Set(forwarding.deferOn) } }),
    regEvent: config.regEvent,
    onRegEvent: (outcome) => metrics.regEventCounted(outcome),
    onForwarded: ({ outcome, status }) => metrics.forwardCounted({ outcome, status }),
    listen: config.sipListen.map(({ transport, ...at }) => `${transport}://${address(at)}`),
    tls: config.tls,
    ...(config.webSocketOrigins === undefined ? {} : { webSocketOrigins: config.webSocketOrigins }),
    ...(config.nextHop === undefined ? {} : { nextHop: config.nextHop }),
    ...(config.dnsServers === undefined ? {} : { dnsServers: config.dnsServers }),
    onRefusedTraffic(reason, section, remote) {
      metrics.refusedTrafficCounted(reason);
      log.debug('sipRefused', { reason, section, remote });
    },
    onFault,
  });
  if (agent.kind === 'failed') {
    return fail(agent.failures.join('; '), 'correct --sip-listen, or the files of --tls-…');
  }
  undo.push(() => agent.close());
  metrics.watchSipConnections(() => agent.counts().connectionsBy);
  metrics.watchCertificate(() => agent.counts().certificateUntilMs);
  metrics.watchSipTransactions(agent.counts);
  const onHangup = (): void => {
    agent.reloadTls().then(
      (reloaded) => {
        if (reloaded.kind === 'reloaded') log.info('tlsReloaded');
        else onFault('SIGHUP: the files of TLS stay as they were', reloaded.failures.join('; '));
      },
      (fault: unknown) => onFault('SIGHUP', fault),
    );
    msrp.reloadTls().catch((fault: unknown) => onFault('SIGHUP: TLS of MSRP', fault));
    access.reload().then(
      (failures) => {
        if (failures.length === 0) log.info('credentialsReloaded');
        else onFault('SIGHUP: the credentials stay as they were', failures.join('; '));
      },
      (fault: unknown) => onFault('SIGHUP', fault),
    );
  };
  process.on('SIGHUP', onHangup);

  const recovered = await deferral.start(agent.transports);
  readiness = 'ready';
  const sip = agent.listening.map(({ transport, ...at }) => `${transport}://${address(at)}`);
  log.info('ready', { ...recovered, sip });
  await output.write(
    `ready sip=${sip.join(',')} msrp=${address(endpoint)} http=${address(http.http)}\n`,
  );
  agent.serve();
  await aborted(stop);
  process.off('SIGHUP', onHangup);

  readiness = 'draining';
  log.info('draining', { seconds: config.drainSeconds });
  const drainMs = config.drainSeconds * 1000;
  // What is kept in the end may open no delivery any more: both drain at once.
  await Promise.all([deferral.drain(drainMs), agent.drain(drainMs)]);
  await agent.close();
  await endpoint.close();
  await deferral.close();
  await signals.flushed();
  await http.http.close();
  await blobs.close();
  await views.close();
  log.info('stopped');
  return 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
}

function address({ host, port }: HostPort): string {
  return isIPv4(host) || !host.includes(':') ? `${host}:${port}` : `[${host}]:${port}`;
}

function timedAppends(store: EventStore, told: (seconds: number) => void): EventStore {
  return {
    ...store,
    append(stream, expected, events, options) {
      const result = store.append(stream, expected, events, options);
      if (options?.flush === 'next') return result;
      const since = performance.now();
      return result.finally(() => told((performance.now() - since) / 1000));
    },
  };
}
