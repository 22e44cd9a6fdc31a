import { hostDigest } from '../../src/adapters/host/digest.ts';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import { createDeferral, type Deferral } from '../../src/deferral/deferral.ts';
import { depositOf } from '../../src/deferral/deposit.ts';
import { type RegisterRequest, registrationOf } from '../../src/deferral/registration.ts';
import type { Input, Outcome } from '../../src/engine/input.ts';
import type { BlobStore, EventStore, ViewStore, Views } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { projections } from '../../src/projections/all.ts';
import { registrationView } from '../../src/projections/registrations.ts';
import { type MessageRow, messageView } from '../../src/projections/waiting-messages.ts';
import { parseSip, type SipMessage } from '../../src/wire/sip/message.ts';
import { type Asked, type Fate, faultyStore } from './faulty-store.ts';
import { START_MS } from './histories.ts';
import { type ScriptedClient, scriptedClient } from './scripted-client.ts';
import type { ScriptedSenders } from './scripted-senders.ts';
import { type SimulatedClock, simulatedClock } from './simulated-clock.ts';
import { pass, settled } from './turns.ts';

export const ROMEO = 'sip:romeo@example.net';
const EVIDENCE = {
  protocol: 'sip',
  transport: 'tcp',
  local: '192.0.2.1:5060',
  remote: '192.0.2.99:5060',
} as const;

/** A MESSAGE to the account as it is on the wire. */
export function sipMessage(
  fields: { readonly callId: string; readonly headers?: readonly string[]; readonly body?: string },
  account = ROMEO,
): SipMessage {
  const { callId, headers = [], body = 'Watson, come here.' } = fields;
  const text = [
    `MESSAGE ${account} SIP/2.0`,
    'Via: SIP/2.0/TCP 192.0.2.99;branch=z9hG4bK776sgdkse',
    'Max-Forwards: 70',
    'From: <sip:juliet@example.org>;tag=49583',
    `To: <${account}>`,
    `Call-ID: ${callId}`,
    'CSeq: 1 MESSAGE',
    ...headers,
    'Content-Type: text/plain',
    `Content-Length: ${new TextEncoder().encode(body).length}`,
    '',
    body,
  ].join('\r\n');
  const parsed = parseSip(new TextEncoder().encode(text), 'exact');
  if (parsed.kind !== 'message') throw new Error(`the example is broken: ${parsed.reason}`);
  return parsed.message;
}

export interface DeferralStage {
  readonly store: EventStore & ViewStore;
  readonly clock: SimulatedClock;
  readonly client: ScriptedClient;
  readonly faults: string[];
  /** Names of views that cannot be read. */
  readonly brokenViews: Set<string>;
  /** Rows that views lack, as `<view> <key>`. */
  readonly lostRows: Set<string>;
  /** The engine's current life. */
  engine(): Deferral;
  /** Everything that the current life asked of the store. */
  asked(): readonly Asked[];
  /** Stops the engine dead: nothing it wants is written or sent any more. */
  crash(): void;
  /** A new life on the same log. */
  start(fateOf?: (asked: Asked) => Fate): Promise<{ timers: number; deliveries: number }>;
  pass(ms: number): Promise<void>;
  submit(input: Omit<Input, 'at'>, account?: string): Promise<Outcome>;
  /** Deposits a MESSAGE whose Call-ID is `name`; its Message-ID is `<name>@store.example`. */
  deposit(name: string, headers?: readonly string[], account?: string): Promise<Outcome>;
  /** Defers a message that is not pushable until it is released. */
  depositHeld(name: string, account?: string): Promise<Outcome>;
  /** A REGISTER; 0 s removes the binding. */
  register(seconds?: number, im?: 'contact' | false, account?: string): Promise<Outcome>;
  message(name: string): Promise<MessageRow | undefined>;
  /** The log without the engine's own streams, as `<category> <type>`. */
  story(): Promise<readonly string[]>;
}

export interface StageOptions {
  readonly clock?: SimulatedClock;
  /** Bodies that do not travel with their events, and who sends them: see `largeStage`. */
  readonly blobs?: BlobStore;
  readonly senders?: ScriptedSenders;
}

/** A dead engine neither reads contents nor removes them. */
function livingBlobs(blobs: BlobStore, isDead: () => boolean): BlobStore {
  return {
    ...blobs,
    open: async (sha256) => (isDead() ? undefined : blobs.open(sha256)),
    async *list() {
      if (!isDead()) yield* blobs.list();
    },
    remove: async (sha256, unsealedForMs) => !isDead() && blobs.remove(sha256, unsealedForMs),
  };
}

export async function deferralStage(options: StageOptions = {}): Promise<DeferralStage> {
  const { clock = simulatedClock(START_MS), blobs, senders } = options;
  const store = memoryStore({ projections, clock });
  const client = scriptedClient();
  const faults: string[] = [];
  const brokenViews = new Set<string>();
  const lostRows = new Set<string>();
  const views: Views = {
    ...store,
    async range(view, range) {
      if (brokenViews.has(view.name)) throw new Error(`${view.name} cannot be read`);
      return store.range(view, range);
    },
    async get(view, key) {
      return lostRows.has(`${view.name} ${key}`) ? undefined : store.get(view, key);
    },
  };
  let life = {
    dead: true,
    engine: undefined as Deferral | undefined,
    asked: [] as readonly Asked[],
  };
  let cseq = 0;

  function engine(): Deferral {
    if (!life.engine) throw new Error('the engine is not started');
    return life.engine;
  }

  const stage: DeferralStage = {
    store,
    clock,
    client,
    faults,
    brokenViews,
    lostRows,
    engine,
    asked: () => life.asked,
    crash() {
      life.dead = true;
      life.engine?.timers.close();
      client.connect(async () => ({ outcome: 'ignored' }), clock);
    },
    async start(fateOf = () => 'pass') {
      const mine = { ...life, dead: false };
      life = mine;
      const faulty = faultyStore(store, (asked) => (mine.dead ? 'never' : fateOf(asked)));
      mine.asked = faulty.asked;
      mine.engine = await createDeferral({
        store: faulty,
        views,
        clock,
        digest: hostDigest,
        node: 'n1',
        secret: new TextEncoder().encode('secret'),
        ...(blobs && { blobs: livingBlobs(blobs, () => mine.dead) }),
        onFault: (where, fault) => mine.dead || faults.push(`${where}: ${fault}`),
      });
      const deposits = senders?.connect(mine.engine, clock);
      const transports = client.connect(mine.engine.tell, clock);
      const started = await mine.engine.start({ ...transports, ...(deposits && { deposits }) });
      await settled();
      return started;
    },
    pass: (ms) => pass(clock, ms),
    submit: (input, account = ROMEO) =>
      engine().submit(`mailbox-${account}`, { ...input, at: clock.now() }),
    async deposit(name, headers = [], account = ROMEO) {
      const deposit = depositOf(sipMessage({ callId: name, headers }, account), {
        account,
        at: clock.now(),
        id: `${name}@store.example`,
        digest: hostDigest,
        evidence: EVIDENCE,
      });
      if (deposit.kind === 'refused') return { outcome: 'refused', reason: deposit.reason };
      const outcome = engine().submit(deposit.stream, deposit.input);
      await settled();
      return outcome;
    },
    depositHeld(name, account = ROMEO) {
      const id = `${name}@store.example`;
      const { octets } = sipMessage({ callId: name }, account);
      const bytes = octets.length;
      const data = { id, kind: 'large', bytes, held: true, deposit: `large ${name}` };
      return stage.submit(
        { type: 'MessageDeferred', data, cause: `deposit ${id}`, octets },
        account,
      );
    },
    async register(seconds = 3600, im = 'contact', account = ROMEO) {
      cseq += 1;
      const request: RegisterRequest = {
        via: 'direct',
        callId: 'register',
        cseq,
        at: clock.now(),
        contacts: [{ contact: 'sip:romeo@192.0.2.17', expiresMs: seconds * 1000, im }],
      };
      const registration = registrationOf(await store.get(registrationView, account), request);
      if (registration.kind !== 'event') return { outcome: 'ignored' };
      const { type, data } = registration;
      const outcome = stage.submit({ type, data, cause: `register ${cseq}` }, account);
      await settled();
      return outcome;
    },
    message: (name) => store.get(messageView, `${name}@store.example`),
    async story() {
      const lines: string[] = [];
      for await (const event of store.readAll()) if (isStory(event)) lines.push(lineOf(event));
      return lines;
    },
  };
  await stage.start();
  return stage;
}

function isStory({ stream }: Recorded): boolean {
  return stream.startsWith('mailbox-') || stream.startsWith('delivery-');
}

function lineOf({ stream, type }: Recorded): string {
  return `${stream.slice(0, stream.indexOf('-'))} ${type}`;
}
