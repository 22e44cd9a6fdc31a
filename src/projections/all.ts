import type { Projection } from '../engine/ports.ts';
import { deliveries } from './deliveries.ts';
import { deposits } from './deposits.ts';
import { inFlight } from './in-flight.ts';
import { largeMessages } from './large-messages.ts';
import { registrations } from './registrations.ts';
import { waitingMessages } from './waiting-messages.ts';

/** Every projection that a store of restante keeps. */
export const projections: readonly Projection[] = [
  waitingMessages,
  deposits,
  deliveries,
  inFlight,
  largeMessages,
  registrations,
];
