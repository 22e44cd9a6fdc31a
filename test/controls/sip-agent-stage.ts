/** The SIP side over an engine in memory, on loopback, with a peer whose every octet a test decides. */
import { hostClock } from '../../src/adapters/host/clock.ts';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import type { AccessOptions } from '../../src/adapters/sip/access/access.ts';
import { openSipAgent, type SipAgent } from '../../src/adapters/sip/agent.ts';
import type { LargeSettings } from '../../src/adapters/sip/deposit/deposit-context.ts';
import type { ForwardSettings } from '../../src/adapters/sip/forward/forward-contract.ts';
import { ownIdentity } from '../../src/adapters/sip/own-identity.ts';
import type { ProofOptions } from '../../src/adapters/sip/push/push-credentials.ts';
import type { TransportOptions } from '../../src/adapters/sip/transport/transport.ts';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import type { ChannelCallbacks, Channels } from '../../src/deferral/channel.ts';
import { createDeferral } from '../../src/deferral/deferral.ts';
import type { DepositChannels } from '../../src/deferral/deposit-channel.ts';
import { openSignals } from '../../src/deferral/signals.ts';
import type { BlobStore, Clock } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import type { Runner } from '../../src/engine/runner.ts';
import type { ChannelEnd } from '../../src/machines/delivery/effects.ts';
import { projections } from '../../src/projections/all.ts';
import { type RegistrationRow, registrationView } from '../../src/projections/registrations.ts';
import type { OutgoingMessage, PushOutcome } from '../../src/wire/msrp/sender.ts';
import { type ScriptedDeposits, scriptedDeposits } from './scripted-deposits.ts';
import { type ScriptedPeer, scriptedPeer } from './scripted-peer.ts';

const NODE = 'im.example.org';
/** Nobody listens there, and that is known at once. */
const NO_DNS = ['127.0.0.1:1'];
/** As the server has it when nothing is set. */
const FORWARDING: ForwardSettings = {
  seconds: 10,
  deferOn: new Set([404, 408, 410, 430, 480, 487, 503, 504]),
};
/** As the server has it when nothing is set. */
const LARGE: LargeSettings = { acceptUntagged: true, lateOffer: true, bytesMax: 10_485_760 };
export const ALICE = 'sip:alice@example.org';

export interface StagedPush {
  readonly delivery: string;
  readonly message: OutgoingMessage;
  settle(outcome: PushOutcome): void;
}

export interface SipAgentStage {
  readonly agent: SipAgent;
  readonly peer: ScriptedPeer;
  /** Ports that the agent listens on, the first two of them by default. */
  readonly udp: number;
  readonly tcp: number;
  readonly faults: readonly string[];
  readonly refused: readonly string[];
  /** Callbacks of the MSRP sessions that the engine asked for, by delivery. */
  readonly channels: ReadonlyMap<string, ChannelCallbacks>;
  /** Messages that were given to the MSRP side, in order; a test says what becomes of each. */
  readonly pushes: readonly StagedPush[];
  /** The MSRP side of senders in Large mode. */
  readonly senders: ScriptedDeposits;
  state: Runner['state'];
  /** Events of the mailbox and of all deliveries. */
  events(): Promise<readonly Recorded[]>;
  /** What became of each MESSAGE that was passed on, as `<outcome> <status>`. */
  readonly forwards: readonly string[];
  drain(): void;
  /** From now on the log takes so long for each append. */
  slowAppends(ms: number): void;
  /** Events of the mailbox and of all deliveries, as `<category> <type>`. */
  story(): Promise<readonly string[]>;
  /** The first message in the mailbox, as it is kept. */
  stored(): Promise<string>;
  /** What the log has of one account's mailbox. */
  mailbox(account?: string): Promise<readonly Recorded[]>;
  /** All that the log holds, data and octets, as one text. */
  everything(): Promise<string>;
  /** First lines of what the journal holds, `<` in and `>` out. */
  journal(): Promise<readonly string[]>;
  registration(account?: string): Promise<RegistrationRow | undefined>;
  close(): Promise<void>;
}

export async function sipAgentStage(
  options: {
    readonly trusted?: (address: string) => boolean;
    readonly serve?: boolean;
    /** Default: UDP and TCP. */
    readonly listen?: readonly string[];
    readonly tls?: TransportOptions['tls'];
    /** All time, of the agent and of the engine; default: the host's. */
    readonly clock?: Clock;
    readonly access?: AccessOptions;
    readonly proof?: ProofOptions;
    /** Passed on to clients that are there; absent: every MESSAGE is deferred. */
    readonly forwarding?: Partial<ForwardSettings>;
    readonly nextHop?: string;
    /** Default: none that answers, so that no test asks the network about a name. */
    readonly dnsServers?: readonly string[];
    /** Registrations are subscribed to where the IM tag is merely assumed. */
    readonly regEvent?: boolean;
    readonly large?: Partial<LargeSettings>;
    readonly msrpTls?: boolean;
    /** Default: a test plays both sides of MSRP by hand. */
    readonly msrp?: {
      readonly channels: Channels;
      readonly deposits: DepositChannels;
      readonly blobs: BlobStore;
    };
    /** What the log holds before the engine starts, as another stage left it. */
    readonly log?: readonly Recorded[];
  } = {},
): Promise<SipAgentStage> {
  const { clock = hostClock } = options;
  let appendMs = 0;
  const memory = memoryStore({ projections, clock });
  for (const event of options.log ?? []) {
    await memory.append(event.stream, event.revision === 0 ? 'none' : event.revision - 1, [event]);
  }
  const store: typeof memory = {
    ...memory,
    async append(...args) {
      if (appendMs > 0) await new Promise<void>((resolve) => clock.timer(appendMs, resolve));
      return memory.append(...args);
    },
  };
  const faults: string[] = [];
  const forwards: string[] = [];
  const { forwarding, nextHop, dnsServers = NO_DNS } = options;
  const refused: string[] = [];
  const channels = new Map<string, ChannelCallbacks>();
  const onFault = (where: string, fault: unknown) => faults.push(`${where}: ${fault}`);
  const secret = new TextEncoder().encode('secret');
  const random = (octets: number) => crypto.getRandomValues(new Uint8Array(octets));
  const signals = await openSignals({
    ...{ store, clock, onFault },
    digest: hostDigest,
    node: NODE,
    mode: 'full',
  });
  const deferral = await createDeferral({
    ...{ store, views: store, clock, secret, onFault },
    digest: hostDigest,
    node: NODE,
    ...(options.msrp && { blobs: options.msrp.blobs }),
  });
  let draining = false;
  let messages = 0;
  const messageId = () => {
    messages += 1;
    return `${messages}@${NODE}`;
  };
  const senders = scriptedDeposits();
  const peers = new Map<string, ChannelEnd>();
  const pushes: StagedPush[] = [];
  const port: Channels = {
    offer: (delivery: string) => ({ host: '127.0.0.1', port: 2855, sessionId: delivery }),
    open(delivery, end, on) {
      channels.set(delivery, on);
      peers.set(delivery, end);
    },
    peer: (delivery) => peers.get(delivery),
    send: (delivery, message) =>
      new Promise((settle) => void pushes.push({ delivery, message, settle })),
    close(delivery) {
      const lost = { outcome: 'sessionLost', reason: 'closed', sent: true } as const;
      for (const push of pushes) if (push.delivery === delivery) push.settle(lost);
    },
  };
  const agent = await openSipAgent({
    ...{ views: store, clock, signals, onFault },
    ...(clock === hostClock ? {} : { elapsedMs: clock.now }),
    submit: deferral.submit,
    tell: deferral.tell,
    runner: deferral.runner,
    digest: hostDigest,
    identifiers: { messageId, random },
    identity: ownIdentity({
      ...{ host: NODE, secret, random, product: 'IM-serv/OMA1.0 restante/test' },
      imAddress: 'sip:im-store@example.org',
      digest: hostDigest,
    }),
    channels: options.msrp?.channels ?? port,
    deposits: options.msrp?.deposits ?? senders.port,
    large: { ...LARGE, ...options.large },
    msrpTls: options.msrpTls ?? false,
    domain: 'example.org',
    trusted: options.trusted ?? (() => true),
    regEvent: options.regEvent ?? false,
    ...(forwarding && { forwarding: { ...FORWARDING, ...forwarding } }),
    onForwarded: ({ outcome, status }) => forwards.push(`${outcome} ${status}`),
    ...(nextHop && { nextHop }),
    dnsServers,
    ...(options.access && { access: options.access }),
    ...(options.proof && { proof: options.proof }),
    draining: () => draining,
    listen: options.listen ?? ['udp://127.0.0.1:0', 'tcp://127.0.0.1:0'],
    ...(options.tls && { tls: options.tls }),
    onRefusedTraffic: (reason) => refused.push(reason),
  });
  if (agent.kind === 'failed') throw new Error(agent.failures.join('; '));
  await deferral.start(agent.transports);
  if (options.serve ?? true) agent.serve();
  const peer = scriptedPeer();

  async function recorded(wanted: (event: Recorded) => boolean): Promise<readonly Recorded[]> {
    await signals.flushed();
    const found: Recorded[] = [];
    for await (const event of store.readAll()) if (wanted(event)) found.push(event);
    return found;
  }

  return {
    ...{ agent, peer, faults, forwards, refused, channels, pushes, senders },
    state: deferral.runner.state,
    events: () => recorded(({ stream }) => /^(mailbox|delivery|deposit)-/.test(stream)),
    udp: agent.listening[0]?.port ?? 0,
    tcp: agent.listening[1]?.port ?? 0,
    drain() {
      draining = true;
    },
    slowAppends(ms) {
      appendMs = ms;
    },
    async story() {
      const told = await recorded(({ stream }) => /^(mailbox|delivery)-/.test(stream));
      return told.map(({ stream, type }) => `${stream.split('-')[0]} ${type}`);
    },
    async stored() {
      const [first] = await recorded(({ type }) => type === 'MessageDeferred');
      return new TextDecoder().decode(first?.octets);
    },
    mailbox: (account = ALICE) => recorded(({ stream }) => stream === `mailbox-${account}`),
    async everything() {
      const told = await recorded(() => true);
      const texts = told.map(({ data, octets }) => [
        JSON.stringify(data),
        new TextDecoder().decode(octets),
      ]);
      return texts.flat().join('\n');
    },
    async journal() {
      const told = await recorded(({ stream }) => stream.startsWith('signal-'));
      return told.map(({ type, octets }) => {
        const [line = ''] = new TextDecoder().decode(octets).split('\r\n');
        return `${type === 'SignalSent' ? '>' : '<'} ${line}`;
      });
    },
    registration: (account = ALICE) => store.get(registrationView, account),
    async close() {
      peer.close();
      await agent.close();
      await deferral.close();
    },
  };
}

/** A request as a peer on loopback writes it; headers given replace those of the same name. */
export function sipRequest(
  method: string,
  branch: string,
  headers: Readonly<Record<string, string>> = {},
  content: { readonly uri?: string; readonly body?: string } = {},
): string {
  const { uri = ALICE, body = '' } = content;
  const all: Record<string, string> = {
    Via: `SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK${branch}`,
    'Max-Forwards': '70',
    From: '<sip:bob@example.org>;tag=b1',
    To: `<${ALICE}>`,
    'Call-ID': `${branch}@example.org`,
    CSeq: `1 ${method}`,
    ...headers,
    'Content-Length': `${body.length}`,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== '');
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${uri} SIP/2.0\r\n${head}\r\n${body}`;
}

/** A client's own REGISTER. */
export function register(branch: string, headers: Readonly<Record<string, string>> = {}): string {
  return sipRequest('REGISTER', branch, { From: `<${ALICE}>;tag=a1`, ...headers });
}
