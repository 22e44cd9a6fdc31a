/** An INVITE that passes through does not wait for ever (RFC 3261 §16.6 step 11, §16.8). */
import { afterEach, expect, test } from 'vitest';
import {
  answerTo,
  type ForwardStage,
  forwardStage,
  statusOf,
} from '../../controls/forward-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type SimulatedClock, simulatedClock } from '../../controls/simulated-clock.ts';
import { sipRequest } from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: ForwardStage;
let clock: SimulatedClock;
afterEach(() => stage.close());

const TIMER_C_MS = 200_000;

/** Another node's push, on its way: what the core has of it. */
async function passing() {
  clock = simulatedClock(Date.now());
  stage = await forwardStage({}, { clock });
  const asserted = { 'P-Asserted-Identity': '<sip:im-store@example.org>' };
  stage.sender.send(sipRequest('INVITE', 'i1', asserted));
  const core = await stage.core();
  return { core, invite: await core.next() };
}

test('a client that only rings is cancelled after 200 s, anew with each 1xx', async () => {
  const { core, invite } = await passing();
  core.send(answerTo(invite, '180 Ringing'));
  expect(statusOf(await stage.sender.next())).toBe(180);
  clock.advance(TIMER_C_MS - 1);
  core.send(answerTo(invite, '181 Call Is Being Forwarded'));
  expect(statusOf(await stage.sender.next())).toBe(181);
  clock.advance(TIMER_C_MS - 1);
  expect(core.received).toHaveLength(1);
  clock.advance(1);
  const cancel = await core.next();
  expect(String(cancel)).toMatch(/^CANCEL /);
  expect(headerOf(cancel, 'Via')).toBe(headerOf(invite, 'Via'));
  core.send(answerTo(cancel, '200 OK'));
  core.send(answerTo(invite, '487 Request Terminated'));
  expect(statusOf(await stage.sender.next())).toBe(487);
});

test('a core that says nothing: 408 after Timer B [RFC 3261 §16.8]', async () => {
  await passing();
  clock.advance(32_000);
  await until(() => stage.sender.received.length > 0);
  expect(stage.sender.received.map(statusOf)).toContain(408);
});

test('nothing of it is left when the server closes', async () => {
  const { core, invite } = await passing();
  core.send(answerTo(invite, '180 Ringing'));
  expect(statusOf(await stage.sender.next())).toBe(180);
  const before = (await stage.journal()).length;
  await stage.agent.close();
  clock.advance(TIMER_C_MS);
  expect(stage.faults).toEqual([]);
  expect(await stage.journal()).toHaveLength(before);
});
