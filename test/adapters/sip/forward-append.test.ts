/** A message that was passed on in vain while the log does not take it in time. */
import { afterEach, expect, test } from 'vitest';
import {
  answerTo,
  type ForwardStage,
  forwardStage,
  message,
  statusOf,
} from '../../controls/forward-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type SimulatedClock, simulatedClock } from '../../controls/simulated-clock.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: ForwardStage;
afterEach(() => stage.close());

/** Lets time pass, a little at once, until the sender has heard so much. */
async function heard(clock: SimulatedClock, count: number): Promise<void> {
  for (let n = 0; n < 2_000 && stage.sender.received.length < count; n += 1) {
    clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('500 with Retry-After, never 202; the same message again is kept once [A-08]', async () => {
  const clock = simulatedClock(Date.now());
  stage = await forwardStage({}, { clock });
  await stage.online();
  stage.slowAppends(25_000);
  const same = { 'Call-ID': 'one' };
  stage.sender.send(message('m1', same));
  const core = await stage.core();
  core.send(answerTo(await core.next(), '480 Away'));
  await until(() => stage.forwards.length === 1);
  await heard(clock, 2);
  const [trying, answer] = [await stage.sender.next(), await stage.sender.next()];
  expect([trying, answer].map(statusOf)).toEqual([100, 500]);
  expect(headerOf(answer, 'Retry-After')).toBe('5');
  stage.slowAppends(0);
  stage.sender.send(message('m2', same));
  await heard(clock, 4);
  expect(stage.sender.received.map(statusOf)).toEqual([100, 500, 100, 202]);
  clock.advance(60_000);
  const kept = (await stage.mailbox()).filter(({ type }) => type === 'MessageDeferred');
  expect(kept).toHaveLength(1);
});
