/**
 * The library: the engine put together, the ports it knows, what its charts record and ask for as
 * types, and the embedded store. Bring a transport, a store and a clock.
 */

export { hostClock } from './adapters/host/clock.ts';
export { hostDigest } from './adapters/host/digest.ts';
export { type LmdbStoreOptions, openLmdbStore } from './adapters/store/lmdb.ts';
export { StoreUnavailable } from './adapters/store/store-unavailable.ts';
export { type Ladder, ladder } from './audit/ladder.ts';
export { renderLadder } from './audit/ladder-text.ts';
export { accountName, deliveryStream, mailboxStream } from './deferral/account.ts';
export type {
  ChannelCallbacks,
  ChannelOffer,
  Channels,
} from './deferral/channel.ts';
export {
  charts,
  createDeferral,
  type Deferral,
  type DeferralOptions,
} from './deferral/deferral.ts';
export { type Deposit, depositOf } from './deferral/deposit.ts';
export type {
  AbortedMessage,
  DepositCallbacks,
  DepositChannels,
  ReceivedMessage,
} from './deferral/deposit-channel.ts';
export { lastMessageId, messageIds } from './deferral/message-id.ts';
export {
  type ContactChange,
  type RegisterRequest,
  type Registration,
  registrationOf,
} from './deferral/registration.ts';
export { type JournalMode, openSignals, type Signals } from './deferral/signals.ts';
export type { DepositTransports, SipEffects, Transports } from './deferral/transports.ts';
export {
  type Chart,
  type Decision,
  evolve,
  type Phase,
  phase,
  replay,
  type Stamped,
  type State,
} from './engine/decide.ts';
export type { Input, Outcome, Reply, Submit } from './engine/input.ts';
export type {
  Append,
  AppendOptions,
  BlobReader,
  BlobStore,
  BlobWriter,
  Change,
  Clock,
  Digest,
  Effect,
  EffectHandler,
  EventStore,
  ExpectedRevision,
  Identifiers,
  Projection,
  Range,
  Sealed,
  View,
  ViewStore,
  Views,
} from './engine/ports.ts';
export type {
  Candidate,
  Evidence,
  Meta,
  Position,
  Recorded,
  TimerMark,
} from './engine/recorded.ts';
export { parseStreamName, streamName } from './engine/stream-name.ts';
export type { ChannelEnd, DeliveryEffect, PushDialog } from './machines/delivery/effects.ts';
export type { DeliveryEvent } from './machines/delivery/events.ts';
export type { DepositEffect } from './machines/deposit/effects.ts';
export type { DepositEvent, SenderEnd } from './machines/deposit/events.ts';
export type { MailboxEffect } from './machines/mailbox/effects.ts';
export type { MailboxEvent } from './machines/mailbox/events.ts';
export { projections } from './projections/all.ts';
export { type DeliveryRow, deliveryView } from './projections/deliveries.ts';
export { type RegistrationRow, registrationView } from './projections/registrations.ts';
export {
  type MailboxRow,
  type MessageRow,
  mailboxView,
  messageView,
  waitingView,
} from './projections/waiting-messages.ts';
export type { OutgoingMessage, PushOutcome } from './wire/msrp/sender.ts';
export { parseSip, renderSip, type SipMessage } from './wire/sip/message.ts';
