import { type Chart, chart, type Stamped } from '../../src/engine/decide.ts';
import type { DepositDialog, DepositEvent } from '../../src/machines/deposit/events.ts';
import { type DepositContext, depositMachine } from '../../src/machines/deposit/machine.ts';
import { START_MS } from './histories.ts';

export type DepositEventType = DepositEvent['type'];
type DataOf<Type extends DepositEventType> = Extract<DepositEvent, { type: Type }>['data'];
type Union<Data> = Data extends unknown ? Partial<Data> : never;

export const deposit: Chart<DepositContext> = chart<DepositContext>(depositMachine, 1);

export const ROMEO = 'sip:romeo@example.net';

export const dialog: DepositDialog = {
  callId: 'lm-1@ua.example.com',
  local: '<sip:romeo@example.net>;tag=im-1',
  remote: '<sip:juliet@example.org>;tag=7711',
  localTag: 'im-1',
  remoteTag: '7711',
  remoteTarget: 'sip:juliet@192.0.2.7',
  routeSet: [],
  inviteCseq: 11,
};

const COMPLETED: DataOf<'MessageCompleted'> = {
  account: ROMEO,
  id: '1368@store.example',
  messageId: '87652491hpq3',
  contentType: 'text/plain',
  bytes: 3_000,
  sha256: 'ab',
  parts: { answer: 919, head: 230, body: 3_000 },
  chunks: 2,
  expiresAt: START_MS + 86_400_000,
};

/** One example of each event that a deposit can record. */
export const depositExamples: { readonly [Type in DepositEventType]: DataOf<Type> } = {
  DepositOffered: {
    account: ROMEO,
    rule: 2,
    dialog,
    end: { path: ['msrp://192.0.2.7:8493/si43...;tcp'], setup: 'active' },
  },
  DepositRefused: { account: ROMEO, status: 480, reason: 'rule 4' },
  AckReceived: {},
  AckMissed: {},
  ChannelBound: { remote: '192.0.2.7:40000' },
  MessageCompleted: COMPLETED,
  DepositAborted: { messageId: '87652491hpq3', bytes: 2_048, reason: 'given up by the sender' },
  ChannelLost: { reason: 'connection closed' },
  IdleElapsed: { idleMs: 60_000 },
  SessionRefreshed: { timer: { sessionExpiresSeconds: 1_800, refresher: 'uac' } },
  SessionExpired: { dueAt: START_MS + 1_768_000 },
  ByeReceived: {},
  ByeAnswered: { status: 200 },
  GraceElapsed: { dueAt: START_MS + 2_000 },
  DepositInterrupted: { cause: 'restart' },
};

export const depositEventTypes = Object.keys(depositExamples) as readonly DepositEventType[];

/** The example of an event with some of its data replaced; `atMs` counts from `START_MS`. */
export function depositEvent<Type extends DepositEventType>(
  type: Type,
  data: Union<DataOf<Type>> = {} as Union<DataOf<Type>>,
  { id = 'now', atMs = 0 }: { readonly id?: string; readonly atMs?: number } = {},
): Stamped {
  return { type, id, at: START_MS + atMs, data: { ...depositExamples[type], ...data } };
}

const offered = depositEvent('DepositOffered');
const acknowledged = depositEvent('AckReceived');
const completed = depositEvent('MessageCompleted');
const lost = depositEvent('ChannelLost');
const timer = { sessionExpiresSeconds: 1_800, refresher: 'uac' } as const;

/** Histories that lead to each state, by what a person would call it. */
export const depositHistories: Readonly<Record<string, readonly Stamped[]>> = {
  idle: [],
  answering: [offered],
  'answering, channel lost': [offered, lost],
  'answering, with a message': [offered, completed],
  receiving: [offered, acknowledged],
  'receiving, bound': [offered, acknowledged, depositEvent('ChannelBound')],
  'receiving, with a message': [offered, acknowledged, completed],
  'receiving, channel lost': [offered, acknowledged, completed, lost],
  'receiving, session timer': [depositEvent('DepositOffered', { timer }), acknowledged],
  bye: [offered, acknowledged, completed, depositEvent('IdleElapsed')],
  ended: [offered, acknowledged, completed, depositEvent('ByeReceived')],
  'ended, refused': [depositEvent('DepositRefused')],
};
