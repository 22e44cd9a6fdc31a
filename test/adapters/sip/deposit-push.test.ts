/** A Large message and a MESSAGE, pushed to clients that take both, or only what SIP knows. */
import { afterEach, describe, expect, it } from 'vitest';
import { callerOn } from '../../controls/deposit-caller.ts';
import { clientSdp, type PushStage, pushStage } from '../../controls/push-stage.ts';

const HOUR_MS = 3_600_000;
/** A client that has never heard of message/msrp. */
const WITHOUT = clientSdp({
  types: 'a=accept-types:multipart/mixed\r\na=accept-wrapped-types:message/sip message/sipfrag',
});

let push: PushStage | undefined;
afterEach(async () => {
  expect(push?.stage.faults).toEqual([]);
  await push?.close();
});

/** A MESSAGE waits and the client is invited; then a Large message is left, too. */
async function invited(): Promise<PushStage> {
  const stage = await pushStage('udp');
  push = stage;
  const caller = await callerOn(stage.stage, stage.clock);
  await caller.open();
  await caller.leave('mid1');
  await caller.ask('BYE', 2);
  await caller.event('MessageReleased');
  return stage;
}

const typesOf = (stage: PushStage) =>
  stage.stage.pushes.map(({ message }) => message.contentType.split(';')[0]);
const told = async (stage: PushStage, type: string) =>
  (await stage.stage.events()).filter((event) => event.type === type).map(({ data }) => data);

describe('an answer that names message/msrp in either list, or all [A-34]', () => {
  it.each([
    [
      'accept-wrapped-types',
      'a=accept-types:multipart/mixed\r\na=accept-wrapped-types:message/sip message/sipfrag message/msrp',
    ],
    ['accept-types', 'a=accept-types:multipart/mixed message/sip message/sipfrag message/msrp'],
    ['message/*', 'a=accept-types:multipart/mixed message/*'],
    ['*', 'a=accept-types:*'],
  ])('%s → both are pushed, in their order', async (_, types) => {
    const stage = await invited();
    await stage.accept({ sdp: clientSdp({ types }) });
    await stage.bind(2);
    expect(typesOf(stage)).toEqual(['multipart/mixed', 'multipart/mixed']);
    for (const pushed of stage.stage.pushes) pushed.settle({ outcome: 'acknowledged' });
    const bye = await stage.next();
    expect(bye).toMatch(/^BYE /);
    stage.reply(bye, '200 OK');
    expect(await stage.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
  });
});

describe('an answer without message/msrp [A-34]', () => {
  /** The MESSAGE is pushed and acknowledged, and the session has ended. */
  async function refusedOnce(): Promise<PushStage> {
    const stage = await invited();
    await stage.accept({ sdp: WITHOUT });
    await stage.bind(1);
    stage.acknowledge();
    const bye = await stage.next();
    expect(bye).toMatch(/^BYE /);
    stage.reply(bye, '200 OK');
    return stage;
  }

  it('→ the MESSAGE is pushed, the Large message stays, and it is no attempt', async () => {
    const stage = await refusedOnce();
    expect(await stage.fate()).toEqual({ end: 'notAcceptable', mailbox: 'push-incapable' });
    expect(await told(stage, 'PushAcknowledged')).toHaveLength(1);
    expect(await told(stage, 'PushFailed')).toMatchObject([
      { outcome: 'unsent', attempt: false, notAcceptable: true },
    ]);
  });

  it('→ no INVITE more until the next registration, then one', async () => {
    const stage = await refusedOnce();
    await stage.fate();
    await stage.pass(HOUR_MS);
    const invites = async () => (await stage.heard()).filter((text) => text.startsWith('INVITE'));
    expect(await invites()).toHaveLength(1);
    await stage.register();
    await stage.invited();
    await stage.accept({ sdp: clientSdp() });
    await stage.bind(1);
    stage.acknowledge();
    stage.reply(await stage.next(), '200 OK');
    expect(await stage.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
  });

  it('→ with nothing else to push, the session is opened for nothing and ended', async () => {
    const stage = await refusedOnce();
    await stage.fate();
    await stage.register();
    await stage.invited();
    await stage.accept({ sdp: WITHOUT });
    await stage.bind(0);
    const bye = await stage.next();
    expect(bye).toMatch(/^BYE /);
    stage.reply(bye, '200 OK');
    expect(await stage.fate()).toEqual({ end: 'notAcceptable', mailbox: 'push-incapable' });
    expect(stage.pushed()).toHaveLength(1);
  });
});
