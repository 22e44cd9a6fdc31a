/** The SIP side as a whole: reading, writing, and deposits over each transport. */
import { benches as deposits } from './deposit.ts';
import { benches as codec } from './sip-codec.ts';

export const benches = [...codec, ...deposits];
