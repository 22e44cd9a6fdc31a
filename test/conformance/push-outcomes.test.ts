/**
 * What becomes of a push that its client refuses (RFC 3261 §13.2.2, decision A-35), on the wire and
 * in the log. Whatever the answer was, the message arrives once, and no sooner than it may.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { arrivesOnce, WAITS } from '../controls/push-outcome.ts';
import { type PushStage, pushStage } from '../controls/push-stage.ts';
import { headerOf } from '../controls/scripted-peer-flow.ts';

let push: PushStage;
afterEach(() => push.close());

interface Refusal {
  readonly title: string;
  readonly status: string;
  readonly headers?: readonly string[];
  readonly mailbox: string;
}

const INCAPABLE = 'push-incapable';
const BACK_OFF = 'back-off 30 s';

/** One final answer, with nothing to negotiate and no credentials to give. */
const REFUSALS: readonly Refusal[] = [
  {
    title: '3xx → no recursion, back-off [RFC 3261 §8.1.3.4, A-35]',
    status: '302 Moved Temporarily',
    headers: ['Contact: <sip:alice@192.0.2.9>'],
    mailbox: BACK_OFF,
  },
  {
    title: '401 without credentials for its realm → back-off [RFC 3261 §22.2]',
    status: '401 Unauthorized',
    headers: ['WWW-Authenticate: Digest realm="example.org", nonce="n1"'],
    mailbox: BACK_OFF,
  },
  {
    title: '407 without credentials for its realm → back-off [RFC 3261 §22.3]',
    status: '407 Proxy Authentication Required',
    headers: ['Proxy-Authenticate: Digest realm="example.org", nonce="n1"'],
    mailbox: BACK_OFF,
  },
  {
    title: '404 → waits for a registration [RFC 3261 §21.4.5, A-35]',
    status: '404 Not Found',
    mailbox: WAITS,
  },
  {
    title: '408 → waits for a registration [RFC 3261 §21.4.9, A-35]',
    status: '408 Request Timeout',
    mailbox: WAITS,
  },
  {
    title: '410 → waits for a registration [RFC 3261 §21.4.11, A-35]',
    status: '410 Gone',
    mailbox: WAITS,
  },
  {
    title: '415 → push-incapable [RFC 3261 §21.4.13, A-35]',
    status: '415 Unsupported Media Type',
    mailbox: INCAPABLE,
  },
  {
    title: '422 without Min-SE → back-off [RFC 4028 §7.3]',
    status: '422 Session Interval Too Small',
    mailbox: BACK_OFF,
  },
  {
    title: '430 → waits for a registration [RFC 5626 §11.5, A-35]',
    status: '430 Flow Failed',
    mailbox: WAITS,
  },
  {
    title: '480 → waits for a registration [RFC 3261 §21.4.18, A-35]',
    status: '480 Temporarily Unavailable',
    mailbox: WAITS,
  },
  {
    title: '486 → waits for a registration [RFC 3261 §21.4.24, A-35]',
    status: '486 Busy Here',
    mailbox: WAITS,
  },
  {
    title: '487 without a CANCEL of ours → waits for a registration [RFC 3261 §21.4.25, A-35]',
    status: '487 Request Terminated',
    mailbox: WAITS,
  },
  {
    title: '488 → push-incapable [RFC 3261 §21.4.26, A-35]',
    status: '488 Not Acceptable Here',
    mailbox: INCAPABLE,
  },
  {
    title: '491 → back-off [RFC 3261 §21.4.27, A-35]',
    status: '491 Request Pending',
    mailbox: BACK_OFF,
  },
  {
    title: '500 → back-off [RFC 3261 §21.5.1, A-35]',
    status: '500 Server Internal Error',
    mailbox: BACK_OFF,
  },
  {
    title: '500 with Retry-After → after that [RFC 3261 §20.33, A-35]',
    status: '500 Server Internal Error',
    headers: ['Retry-After: 7'],
    mailbox: 'back-off 7 s',
  },
  {
    title: '503 → back-off [RFC 3261 §21.5.4, A-35]',
    status: '503 Service Unavailable',
    mailbox: BACK_OFF,
  },
  {
    title: '503 with Retry-After → after that [RFC 3261 §20.33, §21.5.4, A-35]',
    status: '503 Service Unavailable',
    headers: ['Retry-After: 45 (maintenance);duration=60'],
    mailbox: 'back-off 45 s',
  },
  {
    title: '600 → waits for a registration [RFC 3261 §21.6.1, A-35]',
    status: '600 Busy Everywhere',
    mailbox: WAITS,
  },
  {
    title: '603 → waits for a registration [RFC 3261 §21.6.2, A-35]',
    status: '603 Decline',
    mailbox: WAITS,
  },
  {
    title: '606 → push-incapable [RFC 3261 §21.6.4, A-35]',
    status: '606 Not Acceptable',
    mailbox: INCAPABLE,
  },
];

describe.each(['udp', 'tcp'] as const)('the push INVITE is refused over %s', (transport) => {
  for (const { title, status, headers = [], mailbox } of REFUSALS) {
    test(title, async () => {
      push = await pushStage(transport);
      push.reply(push.invite, status, { headers });
      // RFC 3261 §17.1.1.3: the ACK to a failure belongs to the INVITE's transaction.
      expect(headerOf(await push.next(), 'Via')).toBe(headerOf(push.invite, 'Via'));
      expect(await push.fate()).toEqual({ end: `refused ${parseInt(status, 10)}`, mailbox });
      expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1']);
      expect(push.stage.pushes).toEqual([]);
      await arrivesOnce(push, mailbox);
    });
  }
});
