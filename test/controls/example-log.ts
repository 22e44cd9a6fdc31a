/**
 * A small realistic log: two messages wait for alice, she registers, a delivery is open and the
 * first message is acknowledged; one message for bob is held; carol is registered. The production
 * runner decides every event, so states, effects and timers are those of the charts.
 */
import { createHash, createHmac } from 'node:crypto';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import { deferLarge } from '../../src/deferral/defer-large.ts';
import { depositOf } from '../../src/deferral/deposit.ts';
import { chart } from '../../src/engine/decide.ts';
import type { Input } from '../../src/engine/input.ts';
import type { Digest, EventStore, ViewStore } from '../../src/engine/ports.ts';
import { createRunner } from '../../src/engine/runner.ts';
import { streamName } from '../../src/engine/stream-name.ts';
import { deliveryMachine } from '../../src/machines/delivery/machine.ts';
import { depositMachine } from '../../src/machines/deposit/machine.ts';
import type { Binding } from '../../src/machines/mailbox/events.ts';
import { mailboxMachine } from '../../src/machines/mailbox/machine.ts';
import { projections } from '../../src/projections/all.ts';
import { messageView } from '../../src/projections/waiting-messages.ts';
import { parseSip } from '../../src/wire/sip/message.ts';
import { simulatedClock } from './simulated-clock.ts';

export const ALICE = 'sip:alice@example.org';
export const BOB = 'sip:bob@example.org';
export const CAROL = 'sip:carol@example.org';
/** 2026-11-22 09:15:00 UTC, when the first message comes. */
export const BEGIN_MS = Date.UTC(2026, 10, 22, 9, 15);
export const FIRST_ID = '1795338900000000@store.example.org';
export const SECOND_ID = '1795338901000000@store.example.org';
export const HELD_ID = '1795338902000000@store.example.org';
/** Clears the screen and turns the line round, for whoever shows it as it is. */
export const HOSTILE_SUBJECT = 'hello \u001b[2J\u202egpj.exe';

const NODE = 'node-1';
export const EVIDENCE = {
  protocol: 'sip',
  transport: 'tcp',
  local: '127.0.0.1:5060',
  remote: '192.0.2.7:40112',
} as const;

export const charts = {
  mailbox: chart(mailboxMachine, 1),
  delivery: chart(deliveryMachine, 1),
  deposit: chart(depositMachine, 1),
} as const;

const digest: Digest = {
  sha256: (octets) => createHash('sha256').update(octets).digest(),
  hmacSha256: (key, octets) => createHmac('sha256', key).update(octets).digest(),
};

/** A MESSAGE as bob's proxy forwards it. */
export function messageOctets(to: string, subject: string, body: string): Uint8Array {
  const octets = new TextEncoder().encode(body);
  const lines = [
    `MESSAGE ${to} SIP/2.0`,
    `Via: SIP/2.0/TCP scscf1.example.org:5060;branch=z9hG4bK${octets.length}.77`,
    'Max-Forwards: 68',
    'From: "Bob" <sip:bob@example.com>;tag=49583',
    `To: <${to}>`,
    `Call-ID: asd88asd77a${octets.length}@ua.example.com`,
    'CSeq: 1 MESSAGE',
    'P-Asserted-Identity: "Bob" <sip:bob@example.com>',
    'Date: Sun, 22 Nov 2026 09:15:00 GMT',
    'Expires: 604800',
    `Subject: ${subject}`,
    'Content-Type: text/plain;charset=UTF-8',
    `Content-Length: ${octets.length}`,
  ];
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

export const FIRST_OCTETS = messageOctets(
  ALICE,
  'carpool tomorrow?',
  'Can you drive tomorrow?\r\nI have the dentist at 8.',
);
export const SECOND_OCTETS = messageOctets(ALICE, HOSTILE_SUBJECT, 'second \u009b31m\n');

export interface ExampleLog {
  readonly store: EventStore & ViewStore;
  /** Id of alice's open delivery. */
  readonly delivery: string;
  /**
   * Submits a further input, which must be accepted; resolves to its position when what the session
   * of a sender asks for has happened, too.
   */
  happen(stream: string, type: string, data: unknown, carried?: Carried): Promise<string>;
}

/** What travels with an event: of a signal, with where it came from. */
export type Carried = Pick<Input, 'octets' | 'evidence'>;

function binding(contact: string): Binding {
  const expiresAt = BEGIN_MS + 3_600_000;
  return {
    contact,
    expiresAt,
    im: 'contact',
    callId: 'r1',
    cseq: 1,
    source: 'udp 192.0.2.17:5060',
  };
}

function registration(contact: string) {
  const bindings = [binding(contact)];
  return { via: 'direct', bindings, expiresAt: BEGIN_MS + 3_600_000, asOf: 0 };
}

/** Fills a memory store, or the one that is given. */
export async function exampleLog(
  store: EventStore & ViewStore = memoryStore({ projections }),
): Promise<ExampleLog> {
  const clock = simulatedClock(BEGIN_MS);
  const runner = createRunner({
    store,
    views: store,
    charts,
    digest,
    clock,
    async perform(event, effects) {
      for (const [index, { name, params }] of effects.entries()) {
        const effect = { name, params, id: `${event.stream}/${event.revision}/${index}`, event };
        if (name === 'deferMessage') await large.deferMessage(effect);
        if (name === 'annotateMessage') await large.annotateMessage(effect);
      }
    },
    onFault(stream, fault) {
      throw new Error(`${stream}: ${fault}`);
    },
  });
  const large = deferLarge({
    ...{ submit: runner.submit, store, views: store, clock, digest },
    deferred() {},
  });
  let causes = 0;

  async function happen(stream: string, type: string, data: unknown, carried: Carried = {}) {
    clock.advance(1_000);
    causes += 1;
    const input = { type, at: clock.now(), data, cause: `cause ${causes}`, ...carried };
    const outcome = await runner.submit(stream, input);
    await runner.idle();
    if (outcome.outcome === 'accepted') return outcome.event.position;
    throw new Error(`${type} in ${stream} was not accepted: ${JSON.stringify(outcome)}`);
  }

  async function defer(account: string, id: string, octets: Uint8Array, held = false) {
    const parsed = parseSip(octets, 'exact');
    if (parsed.kind !== 'message') throw new Error(parsed.reason);
    const stamp = { account, at: clock.now(), id, digest, evidence: EVIDENCE };
    const deposit = depositOf(parsed.message, stamp);
    if (deposit.kind !== 'deposit') throw new Error(deposit.reason);
    const data = { ...deposit.input.data, ...(held ? { held } : {}) };
    await happen(deposit.stream, 'MessageDeferred', data, { octets, evidence: EVIDENCE });
  }

  const mailbox = streamName('mailbox', ALICE);
  await defer(ALICE, FIRST_ID, FIRST_OCTETS);
  await defer(ALICE, SECOND_ID, SECOND_OCTETS);
  await defer(BOB, HELD_ID, messageOctets(BOB, 'later', 'held back for now'), true);
  await happen(
    streamName('mailbox', CAROL),
    'SubscriberRegistered',
    registration('sip:c@192.0.2.9'),
  );
  await happen(mailbox, 'SubscriberRegistered', registration('sip:alice@192.0.2.17'));
  const opening = await store.last(mailbox);
  if (!opening) throw new Error('nothing was recorded');
  const delivery = opening.id;
  const push = streamName('delivery', delivery);
  await happen(push, 'DeliveryOpened', { account: ALICE, through: opening.revision });
  await happen(push, 'InviteAnswered', {
    status: 200,
    toTag: 'a48s',
    remoteTarget: 'sip:alice@192.0.2.17',
    routeSet: [],
    answer: {
      acceptable: true,
      path: ['msrp://192.0.2.17:9000/s1;tcp'],
      setup: 'passive',
      acceptTypes: ['multipart/mixed'],
      acceptWrappedTypes: ['*'],
    },
  });
  await happen(push, 'ChannelBound', { remote: '192.0.2.17:9000' });
  await happen(push, 'SnapshotTaken', { through: opening.revision, count: 2, digest: 'd1' });
  const row = await store.get(messageView, FIRST_ID);
  await happen(push, 'PushAcknowledged', {
    account: ALICE,
    id: FIRST_ID,
    revision: row?.revision,
    bytes: row?.bytes,
    expiresAt: row?.expiresAt,
    messageId: 'm1',
  });
  await store.append(streamName('signal', NODE), 'none', [
    {
      id: '00000000-0000-8000-8000-000000000001',
      type: 'SignalSent',
      at: clock.now(),
      data: { ...EVIDENCE, startLine: 'BYE sip:\u001b[31m SIP/2.0' },
      meta: {},
    },
  ]);
  return { store, delivery, happen };
}
