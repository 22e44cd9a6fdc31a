import type { ChannelCallbacks } from '../../src/deferral/channel.ts';
import type { SipEffects, Transports } from '../../src/deferral/transports.ts';
import type { Submit } from '../../src/engine/input.ts';
import type { Clock, Effect } from '../../src/engine/ports.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import type { PushDialog } from '../../src/machines/delivery/effects.ts';
import type { Answer } from '../../src/machines/delivery/events.ts';
import type { OutgoingMessage, PushOutcome } from '../../src/wire/msrp/sender.ts';
import { acceptableAnswer } from './delivery-events.ts';
import { readBody } from './read-body.ts';

/** RFC 3261 §17.1.1.2: Timer B = 64*T1. */
const TIMER_B_MS = 32_000;

/** RFC 4975 §7.1.1: a SEND without a response for 30 seconds has failed, and so has its session. */
const SEND_TIMEOUT_MS = 30_000;

/** How the client behaves until it is told otherwise. */
export interface Manners {
  /** A number refuses with that status; `silent` gives no answer at all. */
  invite: 'accept' | 'silent' | number;
  /** A number fails the message with that status; `cut` loses the connection. */
  push: 'acknowledge' | 'silent' | 'cut' | number;
  bye: 'answer' | 'silent';
  /** What its description says beside that it takes messages. */
  accepts: Partial<Extract<Answer, { acceptable: true }>>;
  /** Effects that throw, by name; `send` is the channel's. */
  readonly broken: Set<string>;
}

export interface WholeBody {
  readonly id: string;
  readonly contentType: string;
  readonly octets: Uint8Array;
}

interface Session {
  readonly on: ChannelCallbacks;
  readonly open: Map<string, (outcome: PushOutcome) => void>;
  readonly acknowledged: Set<string>;
}

/** The transports and the client behind them, by hand: what left the engine is in `seen`. */
export interface ScriptedClient {
  readonly manners: Manners;
  /** `INVITE`, `CANCEL`, `ACK`, `BYE`, `SEND <id>`: all that ever reached the client, in order. */
  readonly seen: string[];
  /** Every message that was pushed, with its MSRP Message-ID and body. */
  readonly pushed: { readonly delivery: string; readonly message: OutgoingMessage }[];
  /** Bodies that came whole, in order, by id. */
  readonly bodies: WholeBody[];
  /** Ids that the client acknowledged and did not take back. */
  readonly acknowledged: Set<string>;
  /** The transports of one life of the engine; those of an earlier life are dead. */
  connect(submit: Submit, clock: Clock): Transports;
  /** Acknowledges a push that was met with silence. */
  acknowledge(id: string): void;
  /** A failure REPORT for what was acknowledged in the session that is open. */
  takeBack(id: string, status: number): void;
  cut(): void;
  /** Says something about a delivery on its own account, such as a late 2xx. */
  say(delivery: string, type: string, data: unknown): void;
  lastDelivery(): string;
}

export function answered(toTag: string, accepts: Manners['accepts'] = {}): unknown {
  return {
    status: 200,
    toTag,
    remoteTarget: 'sip:romeo@192.0.2.17',
    routeSet: [],
    answer: { ...acceptableAnswer, ...accepts },
  };
}

function breaking(broken: ReadonlySet<string>, effects: SipEffects): SipEffects {
  const wrapped = Object.entries(effects).map(([name, handler]) => [
    name,
    async (effect: Effect) => {
      if (broken.has(name)) throw new Error(`${name} is broken`);
      await handler(effect);
    },
  ]);
  return Object.fromEntries(wrapped);
}

export function scriptedClient(): ScriptedClient {
  const manners: Manners = {
    invite: 'accept',
    push: 'acknowledge',
    bye: 'answer',
    accepts: {},
    broken: new Set(),
  };
  const seen: string[] = [];
  const pushed: { delivery: string; message: OutgoingMessage }[] = [];
  const bodies: WholeBody[] = [];
  const acknowledged = new Set<string>();
  let sessions = new Map<string, Session>();
  let say: ScriptedClient['say'] = () => {};
  let serial = 0;
  let last = '';
  const deliveryOf = (effect: Effect) => parseStreamName(effect.event.stream).id;

  function lose(delivery: string, reason: string): void {
    const session = sessions.get(delivery);
    if (!session) return;
    sessions.delete(delivery);
    for (const [, resolve] of session.open) resolve({ outcome: 'sessionLost', reason, sent: true });
    session.on.lost(reason);
  }

  function settle(id: string, outcome: PushOutcome): void {
    for (const session of sessions.values()) {
      const resolve = session.open.get(id);
      if (!resolve) continue;
      session.open.delete(id);
      if (outcome.outcome === 'acknowledged') {
        acknowledged.add(id);
        session.acknowledged.add(id);
      }
      resolve(outcome);
    }
  }

  async function meet(
    delivery: string,
    { key, contentType, body }: OutgoingMessage,
  ): Promise<void> {
    const octets = await readBody(body);
    if (!sessions.get(delivery)?.open.has(key)) return;
    if (typeof octets === 'string') {
      return settle(key, { outcome: 'unreadable', reason: octets, sent: true });
    }
    bodies.push({ id: key, contentType, octets });
    const { push } = manners;
    if (push === 'acknowledge') settle(key, { outcome: 'acknowledged' });
    else if (push === 'cut') lose(delivery, 'connection closed');
    else if (push !== 'silent') settle(key, { outcome: 'failed', status: push, sent: true });
  }

  return {
    manners,
    seen,
    pushed,
    bodies,
    acknowledged,
    lastDelivery: () => last,
    say: (delivery, type, data) => say(delivery, type, data),
    acknowledge: (id) => settle(id, { outcome: 'acknowledged' }),
    takeBack(id, status) {
      const session = sessions.get(last);
      if (!session?.acknowledged.delete(id)) return;
      acknowledged.delete(id);
      session.on.takenBack(id, status);
    },
    cut() {
      for (const delivery of [...sessions.keys()]) lose(delivery, 'connection closed');
    },
    connect(submit, clock) {
      sessions = new Map();
      const mine = sessions;
      const alive = () => sessions === mine;
      const tell: ScriptedClient['say'] = (delivery, type, data) => {
        serial += 1;
        const stream = `delivery-${delivery}`;
        if (alive()) {
          void submit(stream, { type, at: clock.now(), data, cause: `${type} ${serial}` });
        }
      };
      say = tell;
      return {
        sip: breaking(manners.broken, {
          async sendInvite(effect) {
            last = deliveryOf(effect);
            seen.push('INVITE');
            const { invite } = manners;
            if (invite === 'accept')
              tell(last, 'InviteAnswered', answered(`tag ${last}`, manners.accepts));
            else if (invite !== 'silent') tell(last, 'InviteRefused', { status: invite });
            else {
              const delivery = last;
              clock.timer(TIMER_B_MS, () =>
                tell(delivery, 'InviteTimedOut', { by: 'transaction' }),
              );
            }
          },
          async cancelInvite(effect) {
            const { progressed } = effect.params as { progressed: boolean };
            if (!progressed) return;
            seen.push('CANCEL');
            if (manners.bye === 'answer')
              tell(deliveryOf(effect), 'InviteRefused', { status: 487 });
          },
          async sendPrack() {
            seen.push('PRACK');
          },
          async sendAck(effect) {
            const { toTag } = (effect.params as { dialog: PushDialog }).dialog;
            seen.push(toTag.startsWith('tag') ? 'ACK' : `ACK ${toTag}`);
          },
          async sendBye(effect) {
            const { surplus, ackFirst } = effect.params as { surplus: boolean; ackFirst: boolean };
            seen.push(...(ackFirst ? ['ACK'] : []), surplus ? 'BYE surplus' : 'BYE');
            if (surplus || manners.bye === 'silent') return;
            tell(deliveryOf(effect), 'ByeAnswered', { status: 200 });
          },
          async refreshSession(effect) {
            seen.push((effect.params as { method: string }).method);
            tell(deliveryOf(effect), 'SessionRefreshed', {});
          },
        }),
        channels: {
          offer: (delivery) => ({ host: '192.0.2.1', port: 2855, sessionId: delivery }),
          open(delivery, _end, on) {
            if (!alive()) return;
            mine.set(delivery, { on, open: new Map(), acknowledged: new Set() });
            on.bound('192.0.2.17:9000');
          },
          send(delivery, message) {
            if (manners.broken.has('send')) throw new Error('send is broken');
            const session = mine.get(delivery);
            if (!alive() || !session) {
              const reason = 'the session is closed';
              return Promise.resolve({ outcome: 'sessionLost', reason, sent: false });
            }
            seen.push(`SEND ${message.key}`);
            pushed.push({ delivery, message });
            return new Promise((resolve) => {
              session.open.set(message.key, resolve);
              clock.timer(SEND_TIMEOUT_MS, () => {
                if (session.open.get(message.key) !== resolve) return;
                session.open.delete(message.key);
                resolve({ outcome: 'timeout' });
                lose(delivery, 'no response');
              });
              queueMicrotask(() => alive() && void meet(delivery, message));
            });
          },
          close: (delivery) => alive() && lose(delivery, 'closed'),
        },
      };
    },
  };
}
