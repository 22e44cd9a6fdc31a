/** The core is Kamailio with the configuration that ships; the clients' SIP is the `sip` package's. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Receiver } from '../../src/adapters/ua/receiver.ts';
import { parseSip } from '../../src/wire/sip/message.ts';
import {
  checkConfiguration,
  KAMAILIO_CONFIGURATION,
  kamailioAvailable,
} from '../controls/kamailio.ts';
import { startLines, typesOf } from '../controls/read-log.ts';
import { type CoreStage, coreStage } from './core-stage.ts';

const available = kamailioAvailable();
const TEXTS = ['Can you drive tomorrow?', 'příliš žluťoučký kůň\r\n\r\n…'];

describe.skipIf(!available)('the configuration that ships', () => {
  it('is read without a complaint', async () => {
    expect(await checkConfiguration(KAMAILIO_CONFIGURATION)).toBe('');
  });

  it('with an error in it is complained of', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'restante-kamailio-'));
    const file = join(folder, 'broken.cfg');
    const text = await readFile(KAMAILIO_CONFIGURATION, 'utf8');
    await writeFile(file, text.replace('route(IDENTITY);', 'rute(IDENTITY);'));
    expect(await checkConfiguration(file)).toContain('rute');
    await rm(folder, { recursive: true });
  });
});

describe.skipIf(!available).each([
  { coreLink: 'tcp', access: 'udp' },
  { coreLink: 'udp', access: 'tcp' },
] as const)('behind Kamailio, $coreLink to the core, $access to its clients', (links) => {
  let stage: CoreStage;
  let alice: Receiver | undefined;
  beforeAll(async () => {
    stage = await coreStage(links);
  });
  afterAll(async () => {
    alice?.close();
    await stage?.close();
  });
  const deposits = async () =>
    (await stage.log()).filter(({ type }) => type === 'MessageDeferred').map((e) => e.octets);

  it('a MESSAGE for who is away is kept, and its sender told so: 202 [RFC 3428 §7]', async () => {
    const forged = { 'p-asserted-identity': '<sip:president@example.org>' };
    const sent = await stage.send(TEXTS, forged);
    expect(sent.map(({ status }) => status)).toEqual([202, 202]);
    expect(await deposits()).toHaveLength(2);
  });

  it('the core says who sent it, whatever the sender claimed [RFC 3325 §5]', async () => {
    const [octets] = await deposits();
    const parsed = parseSip(octets ?? new Uint8Array(), 'exact');
    expect(parsed.kind === 'message' && parsed.message.all('p-asserted-identity')).toEqual([
      '<sip:bob@example.org>',
    ]);
  });

  it('a registration at the core brings them, octet for octet [IM-11.3.2.3-1] [IM-11.3.2.7-6]', async () => {
    alice = await stage.alice();
    expect(alice.registered.status).toBe(200);
    const { ended, messages } = await alice.delivery();
    expect(ended).toBe('bye');
    expect(messages.map(({ text }) => text)).toEqual(TEXTS);
    expect(messages.map(({ inner }) => Buffer.from(inner))).toEqual(
      (await deposits()).map((octets) => Buffer.from(octets ?? [])),
    );
  });

  it('the client’s own REGISTER came inside the core’s and showed the tag [TS 24.229 §5.4.1.7]', async () => {
    const log = await stage.log();
    const registered = log.find(({ type }) => type === 'SubscriberRegistered');
    expect(registered?.data).toMatchObject({ via: 'thirdParty', bindings: [{ im: 'embedded' }] });
  });

  it('ACK and BYE took the way that the core recorded, both of its sides [RFC 3261 §16.12]', async () => {
    const log = await stage.logged((seen) => typesOf(seen, 'delivery').includes('ByeAnswered'));
    const answered = log.find(({ type }) => type === 'InviteAnswered');
    const { serverPort, clientPort } = stage.core;
    expect(answered?.data).toMatchObject({
      routeSet: [
        expect.stringContaining(`:${serverPort};`),
        expect.stringContaining(`:${clientPort};`),
      ],
    });
    expect(log.find(({ type }) => type === 'ByeAnswered')?.data).toMatchObject({ status: 200 });
  });

  it('the push INVITE went out once and never came back [A-36]', async () => {
    const log = await stage.log();
    const invites = (direction: 'received' | 'sent') =>
      startLines(log, direction).filter((line) => line.startsWith('INVITE '));
    expect(invites('sent')).toEqual(['INVITE sip:alice@example.org SIP/2.0']);
    expect(invites('received')).toEqual([]);
  });

  it('who deregisters is left alone; who comes back has what was kept meanwhile', async () => {
    expect((await alice?.register(0))?.status).toBe(200);
    await stage.logged((log) => typesOf(log, 'mailbox').includes('SubscriberDeregistered'));
    const sent = await stage.send(['while you were out']);
    expect(sent[0]?.status).toBe(202);
    expect((await alice?.register())?.status).toBe(200);
    expect((await alice?.delivery())?.messages.map(({ text }) => text)).toEqual([
      'while you were out',
    ]);
  });

  it('a refresh without the tag takes the feature back: the store hears so [RFC 3840 §6]', async () => {
    const { contact = '' } = alice ?? {};
    const answer = await stage.request('REGISTER', 'sip:example.org', {
      from: '<sip:alice@example.org>;tag=phone',
      to: '<sip:alice@example.org>',
      'call-id': 'a-phone-of-old',
      contact: `<${contact}>;expires=600`,
    });
    expect(answer.status).toBe(200);
    const gone = (type: string) => type === 'SubscriberDeregistered';
    const log = await stage.logged((seen) => typesOf(seen, 'mailbox').filter(gone).length === 2);
    const registers = startLines(log, 'received').filter((line) => line.startsWith('REGISTER'));
    // Registered, deregistered, back again, without the tag: each was told once.
    expect(registers).toHaveLength(4);
  });

  it('a phone that never had the tag is none of the store’s business', async () => {
    const answer = await stage.request('REGISTER', 'sip:example.org', {
      from: '<sip:carol@example.org>;tag=phone',
      to: '<sip:carol@example.org>',
      'call-id': 'another-phone',
      contact: '<sip:carol@127.0.0.1:9>;expires=600',
    });
    expect(answer.status).toBe(200);
    expect((await stage.log()).filter(({ stream }) => stream.includes('carol'))).toEqual([]);
  });

  it('the core relays to nobody else’s domain', async () => {
    const answer = await stage.request('MESSAGE', 'sip:dave@example.net', {
      from: '<sip:bob@example.org>;tag=relay',
      to: '<sip:dave@example.net>',
      'call-id': 'relay',
    });
    expect(answer.status).toBe(403);
  });
});
