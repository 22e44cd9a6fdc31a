import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
} from 'prom-client';

/** Live transactions of each side, and the timers that run for them. */
export interface SipTransactions {
  readonly clients: number;
  readonly servers: number;
  readonly waits: number;
}

export interface Metrics {
  /** An input was decided: `outcome` as the runner answers it. */
  inputCounted(input: { machine: string; outcome: string; reason?: string }): void;
  /** A signal was sent or received; `kind`: its method, or the status of a response. */
  signalCounted(signal: { protocol: 'sip' | 'msrp'; direction: 'in' | 'out'; kind: string }): void;
  /** What became of a MESSAGE that was passed on, by the status that decided it. */
  forwardCounted(forward: { outcome: string; status: number }): void;
  /** A registration was recorded: who told of it, and whether it was a (re-)registration. */
  registrationCounted(registration: { via: string; kind: string }): void;
  /** What became of our subscriptions to registrations. */
  regEventCounted(outcome: string): void;
  /** Traffic that reached no machine. */
  refusedTrafficCounted(reason: string): void;
  /** An effect was asked for, or came to an end: `outcome` says which. */
  effectCounted(effect: { name: string; outcome: string }): void;
  /** From the arrival of a MESSAGE to its answer, in seconds. */
  depositTimed(seconds: number): void;
  /** From an append to its flush, in seconds. */
  appendTimed(seconds: number): void;
  /** Says how many deliveries are open whenever the metrics are read. */
  watchOpenDeliveries(read: () => number | Promise<number>): void;
  /** Says how many SIP connections there are of each transport. */
  watchSipConnections(read: () => Readonly<Record<string, number>>): void;
  /** Says what the transaction layer holds. */
  watchSipTransactions(read: () => SipTransactions): void;
  /** Says when the certificate of TLS expires, in epoch milliseconds; `undefined`: there is none. */
  watchCertificate(read: () => number | undefined): void;
  readonly contentType: string;
  /** The Prometheus text exposition. */
  text(): Promise<string>;
}

/** Label values that strangers choose (methods, reasons) are told apart up to this many. */
export const LABEL_VALUES_MAX = 64;
/** What a value beyond that is counted under. */
const OTHER = 'other';

/** Seconds. An append is a flush of a disk, 0.1 ms to 1 s; a deposit is one append and a bit. */
const SECONDS_BUCKETS = [
  0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

/** Keeps the memory of a counter bounded: a label value is a time series for ever. */
function bounded(): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= LABEL_VALUES_MAX) return OTHER;
    seen.add(value);
    return value;
  };
}

/**
 * A counter with labels. It counts by itself and tells prom-client when it is read: there each
 * count would check the labels and look for their series anew.
 */
function counting(
  config: CounterConfiguration<string>,
): (labels: Readonly<Record<string, string>>) => void {
  const series = new Map<string, { readonly labels: Record<string, string>; count: number }>();
  new Counter({
    ...config,
    collect() {
      this.reset();
      for (const { labels, count } of series.values()) this.inc(labels, count);
    },
  });
  return (labels) => {
    const name = Object.values(labels).join('\n');
    const known = series.get(name);
    if (known) known.count += 1;
    else series.set(name, { labels: { ...labels }, count: 1 });
  };
}

/** The metrics of one server, in a registry of their own, with those of the process. */
export function openMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ prefix: 'restante_', register: registry });
  const inputs = counting({
    name: 'restante_inputs_total',
    help: 'Inputs decided, by machine, outcome and reason of a refusal',
    labelNames: ['machine', 'outcome', 'reason'],
    registers,
  });
  const signals = counting({
    name: 'restante_signals_total',
    help: 'SIP messages and MSRP frames sent and received',
    labelNames: ['protocol', 'direction', 'kind'],
    registers,
  });
  const refusedTraffic = counting({
    name: 'restante_refused_traffic_total',
    help: 'Traffic that reached no machine',
    labelNames: ['reason'],
    registers,
  });
  const forwards = counting({
    name: 'restante_forwards_total',
    help: 'Messages passed on to clients, by what became of them and the status that decided it',
    labelNames: ['outcome', 'status'],
    registers,
  });
  const registrations = counting({
    name: 'restante_registrations_total',
    help: 'Registrations recorded, by who told of them and what they were',
    labelNames: ['via', 'kind'],
    registers,
  });
  const regEvents = counting({
    name: 'restante_reg_event_total',
    help: 'Subscriptions to registrations, by what became of them',
    labelNames: ['outcome'],
    registers,
  });
  const effects = counting({
    name: 'restante_effects_total',
    help: 'Effects performed',
    labelNames: ['name', 'outcome'],
    registers,
  });
  const seconds = (name: string, help: string) =>
    new Histogram({ name, help, buckets: SECONDS_BUCKETS, registers });
  const deposit = seconds('restante_deposit_seconds', 'From a MESSAGE to its answer');
  const append = seconds('restante_append_seconds', 'From an append to its flush');
  let openDeliveries: () => number | Promise<number> = () => 0;
  new Gauge({
    name: 'restante_open_deliveries',
    help: 'Deliveries that have not ended',
    registers,
    async collect() {
      this.set(await openDeliveries());
    },
  });
  let sipConnections: () => Readonly<Record<string, number>> = () => ({});
  new Gauge({
    name: 'restante_sip_connections',
    help: 'SIP connections that are open, by transport',
    labelNames: ['transport'],
    registers,
    collect() {
      for (const [transport, count] of Object.entries(sipConnections())) {
        this.set({ transport }, count);
      }
    },
  });
  let sipTransactions: () => SipTransactions = () => ({ clients: 0, servers: 0, waits: 0 });
  new Gauge({
    name: 'restante_sip_transactions',
    help: 'SIP transactions that have not ended, by side',
    labelNames: ['side'],
    registers,
    collect() {
      const { clients, servers } = sipTransactions();
      this.set({ side: 'client' }, clients);
      this.set({ side: 'server' }, servers);
    },
  });
  new Gauge({
    name: 'restante_sip_timers',
    help: 'Timers of SIP transactions that run',
    registers,
    collect() {
      this.set(sipTransactions().waits);
    },
  });
  let certificateUntilMs: () => number | undefined = () => undefined;
  new Gauge({
    name: 'restante_tls_certificate_expiry_timestamp_seconds',
    help: 'When the certificate of TLS expires; 0: there is none',
    registers,
    collect() {
      this.set((certificateUntilMs() ?? 0) / 1000);
    },
  });
  const inputReason = bounded();
  const signalKind = bounded();
  const trafficReason = bounded();
  const forwardStatus = bounded();

  return {
    inputCounted: ({ machine, outcome, reason = '' }) =>
      inputs({ machine, outcome, reason: inputReason(reason) }),
    signalCounted: ({ protocol, direction, kind }) =>
      signals({ protocol, direction, kind: signalKind(kind) }),
    forwardCounted: ({ outcome, status }) =>
      forwards({ outcome, status: forwardStatus(String(status)) }),
    registrationCounted: (registration) => registrations(registration),
    regEventCounted: (outcome) => regEvents({ outcome }),
    refusedTrafficCounted: (reason) => refusedTraffic({ reason: trafficReason(reason) }),
    effectCounted: (effect) => effects(effect),
    depositTimed: (value) => deposit.observe(value),
    appendTimed: (value) => append.observe(value),
    watchOpenDeliveries(read) {
      openDeliveries = read;
    },
    watchSipConnections(read) {
      sipConnections = read;
    },
    watchSipTransactions(read) {
      sipTransactions = read;
    },
    watchCertificate(read) {
      certificateUntilMs = read;
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
