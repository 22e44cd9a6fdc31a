/**
 * What is said again in a push, and what is answered to what comes again (RFC 3261 §13, §17): over
 * UDP all that has no answer, over TCP only the 2xx to an INVITE and its ACK.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { arrivesOnce, closes, WAITS } from '../controls/push-outcome.ts';
import { clientSdp, type PushStage, pushStage } from '../controls/push-stage.ts';

let push: PushStage;
afterEach(() => push.close());

const TIMER = ['Session-Expires: 90;refresher=uac', 'Require: timer'];
const status = (answer: string) => Number(answer.split(' ')[1]);
const times = (count: number, what: string) => Array.from({ length: count }, () => what);
/** T1 doubled up to T2 within 64*T1, the first time included (RFC 3261 §17.1.2.1). */
const SENT_IN_32_S = 11;

async function underWay(): Promise<void> {
  await push.accept();
  await push.bind();
}

function ring(): void {
  push.reply(push.invite, '180 Ringing', { headers: [`Contact: ${push.contact}`] });
}

async function ringsTooLong(): Promise<void> {
  ring();
  await push.event('InviteProgressed');
  await push.pass(120_000);
}

async function told(type: string): Promise<number> {
  return (await push.stage.events()).filter((event) => event.type === type).length;
}

describe('over udp', () => {
  test('INVITE → repeated until a 1xx comes [RFC 3261 §17.1.1.2]', async () => {
    push = await pushStage('udp');
    // Timer A: 0.5 s, then after 1 s and 2 s more.
    await push.pass(3_500);
    expect(await push.heard()).toEqual(times(4, 'INVITE 1'));
    ring();
    await push.event('InviteProgressed');
    await push.pass(30_000);
    expect(await push.heard()).toEqual(times(4, 'INVITE 1'));
  });

  test('refusal comes again → the same ACK again, counted once [RFC 3261 §17.1.1.2]', async () => {
    push = await pushStage('udp');
    const acks: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      push.reply(push.invite, '486 Busy Here');
      acks.push(await push.next());
    }
    expect(new Set(acks).size).toBe(1);
    expect(await push.fate()).toEqual({ end: 'refused 486', mailbox: WAITS });
    expect(await told('DeliveryEnded')).toBe(1);
  });

  test('CANCEL → repeated until its 200 comes [RFC 3261 §9.1, §17.1.2.2]', async () => {
    push = await pushStage('udp');
    await ringsTooLong();
    const cancel = await push.next();
    await push.pass(500);
    expect(await push.next()).toBe(cancel);
    push.reply(cancel, '200 OK');
    await push.pass(1_000);
    expect(await push.heard()).toEqual(['INVITE 1', 'CANCEL 1', 'CANCEL 1']);
  });

  test('BYE → repeated until its 200 comes [RFC 3261 §17.1.2.2]', async () => {
    push = await pushStage('udp');
    await underWay();
    push.acknowledge();
    const bye = await push.next();
    await push.pass(500);
    expect(await push.next()).toBe(bye);
    push.reply(bye, '200 OK');
    await push.pass(30_000);
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', 'BYE 2', 'BYE 2']);
  });

  test('UPDATE of ours → repeated until its answer comes [RFC 3261 §17.1.2.2]', async () => {
    push = await pushStage('udp');
    await push.accept({ headers: ['Allow: INVITE, UPDATE', ...TIMER] });
    await push.bind();
    await push.pass(45_000);
    const update = await push.next();
    await push.pass(500);
    expect(await push.next()).toBe(update);
    push.reply(update, '200 OK', { headers: [`Contact: ${push.contact}`, ...TIMER] });
    await push.event('SessionRefreshed');
    await push.pass(4_000);
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', 'UPDATE 2', 'UPDATE 2']);
  });

  test('BYE of the client comes again → the same answer again [RFC 3261 §17.2.2]', async () => {
    push = await pushStage('udp');
    await underWay();
    const bye = push.within('BYE', 1);
    const answer = await push.ask(bye);
    expect(status(answer)).toBe(200);
    await push.event('DeliveryEnded');
    expect(await push.ask(bye)).toBe(answer);
    await push.pass(20_000);
    expect(await push.ask(bye)).toBe(answer);
  });

  test('re-INVITE of the client comes again → absorbed, recorded once [RFC 6026 §7.1]', async () => {
    push = await pushStage('udp');
    await underWay();
    const invite = push.within('INVITE', 1);
    await push.ask(invite);
    push.send(invite);
    push.send(invite);
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', '200 INVITE']);
    expect(await told('SessionRefreshed')).toBe(1);
  });

  test('reliable 1xx comes again → no further PRACK, that one is repeated [RFC 3262 §4]', async () => {
    push = await pushStage('udp');
    const headers = [`Contact: ${push.contact}`, 'Require: 100rel', 'RSeq: 1'];
    push.reply(push.invite, '180 Ringing', { headers });
    const prack = await push.next();
    push.reply(push.invite, '180 Ringing', { headers });
    expect(await push.heard()).toEqual(['INVITE 1', 'PRACK 2']);
    await push.pass(500);
    expect(await push.next()).toBe(prack);
  });
});

test('the connection breaks and no answer comes by another → waits [RFC 3261 §18.2.2]', async () => {
  push = await pushStage('tcp');
  push.breakConnection();
  await push.pass(200_000);
  expect(await push.fate()).toEqual({ end: 'noAnswer', mailbox: WAITS });
});

describe.each([
  { transport: 'udp', invites: 7, byes: SENT_IN_32_S },
  { transport: 'tcp', invites: 1, byes: 1 },
] as const)('over $transport', ({ transport, invites, byes }) => {
  test('no answer to the INVITE → ends after 64*T1, waits [RFC 3261 §17.1.1.2, A-35]', async () => {
    push = await pushStage(transport);
    await push.pass(32_000);
    expect(await push.fate()).toEqual({ end: 'noAnswer', mailbox: WAITS });
    expect(await push.heard()).toEqual(times(invites, 'INVITE 1'));
    await arrivesOnce(push, WAITS);
  });

  test('2xx comes again → the same ACK again, pushed once [RFC 3261 §13.2.2.4]', async () => {
    push = await pushStage(transport);
    const ack = await push.accept();
    await push.bind();
    expect(await push.accept()).toBe(ack);
    expect(await push.accept()).toBe(ack);
    push.acknowledge();
    await closes(push);
    expect(push.pushed()).toHaveLength(1);
  });

  test('2xx to our re-INVITE comes again → its ACK again, recorded once [RFC 3261 §13.2.2.4]', async () => {
    push = await pushStage(transport);
    await push.accept({ headers: ['Allow: INVITE', ...TIMER] });
    await push.bind();
    await push.pass(45_000);
    const ours = await push.next();
    const answer = { headers: [`Contact: ${push.contact}`, ...TIMER], sdp: clientSdp() };
    push.reply(ours, '200 OK', answer);
    const ack = await push.next();
    push.reply(ours, '200 OK', answer);
    expect(await push.next()).toBe(ack);
    expect(await told('SessionRefreshed')).toBe(1);
    push.acknowledge();
    await closes(push);
  });

  test('2xx long after our CANCEL → ACK, BYE, nothing pushed [RFC 3261 §9.1, §13.2.2.4]', async () => {
    push = await pushStage(transport);
    await ringsTooLong();
    push.reply(await push.next(), '200 OK');
    await push.pass(20_000);
    expect(await push.fate()).toEqual({ end: 'noAnswer', mailbox: WAITS });
    await push.accept();
    push.reply(await push.next(), '200 OK');
    expect(push.pushed()).toEqual([]);
    await arrivesOnce(push, WAITS);
  });

  test('no answer to our BYE → the push is complete all the same [RFC 3261 §15.1.1]', async () => {
    push = await pushStage(transport);
    await underWay();
    push.acknowledge();
    expect(await push.next()).toMatch(/^BYE /);
    await push.pass(32_000);
    expect(await push.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', ...times(byes, 'BYE 2')]);
  });

  test('our 2xx to a re-INVITE → repeated until the ACK comes [RFC 3261 §13.3.1.4]', async () => {
    push = await pushStage(transport);
    await underWay();
    const answer = await push.ask(push.within('INVITE', 1));
    await push.pass(500);
    await push.pass(1_000);
    expect([await push.next(), await push.next()]).toEqual([answer, answer]);
    push.send(push.within('ACK', 1));
    await push.heard();
    await push.pass(30_000);
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', ...times(3, '200 INVITE')]);
    push.acknowledge();
    await closes(push);
  });

  test('no ACK to our 2xx → BYE after 64*T1, back-off [RFC 3261 §13.3.1.4]', async () => {
    push = await pushStage(transport);
    await underWay();
    await push.ask(push.within('INVITE', 1));
    await push.pass(32_000);
    const sent = [...times(SENT_IN_32_S, '200 INVITE'), 'BYE 2'];
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', ...sent]);
    await push.pass(2_000);
    expect(await push.fate()).toEqual({ end: 'sessionExpired', mailbox: 'back-off 30 s' });
  });

  test('our BYE waits for the ACK to our 2xx [RFC 3261 §15]', async () => {
    push = await pushStage(transport);
    await underWay();
    await push.ask(push.within('INVITE', 1));
    push.acknowledge();
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', '200 INVITE']);
    push.send(push.within('ACK', 1));
    await closes(push);
  });

  test('our BYE waits for a lost ACK no longer than 64*T1 [RFC 3261 §15]', async () => {
    push = await pushStage(transport);
    await underWay();
    await push.ask(push.within('INVITE', 1));
    push.acknowledge();
    await push.pass(31_999);
    expect(await push.heard()).not.toContain('BYE 2');
    await push.pass(1);
    const sent = [...times(SENT_IN_32_S, '200 INVITE'), 'BYE 2'];
    expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1', ...sent]);
    expect(await push.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
  });
});
