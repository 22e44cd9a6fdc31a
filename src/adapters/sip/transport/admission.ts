/** Which incoming connections are taken: those of strangers must not keep out the core's. */
import { sourceOf } from '../access/token-buckets.ts';
import type { TransportLimits } from './transport-contract.ts';

export interface Admission {
  /** Takes a connection or says why not; `open` is how many there are. Leaving twice is once. */
  admit(address: string, open: number): { readonly leave: () => void } | { readonly why: string };
}

export function admission(
  limits: TransportLimits,
  trusted: ((address: string) => boolean) | undefined,
): Admission {
  const { connectionsMax, untrustedMax, untrustedPerAddressMax } = limits;
  /** Connections of strangers by address, or by network where everybody has one (IPv6). */
  const strangers = new Map<string, number>();
  let total = 0;

  return {
    admit(address, open) {
      if (open >= connectionsMax) return { why: `there are ${connectionsMax} already` };
      if (trusted?.(address) ?? true) return { leave() {} };
      const site = sourceOf(address);
      const same = strangers.get(site) ?? 0;
      if (same >= untrustedPerAddressMax) {
        return { why: `there are ${same} from this untrusted address` };
      }
      if (total >= untrustedMax) return { why: `there are ${total} of untrusted peers` };
      strangers.set(site, same + 1);
      total += 1;
      let counted = true;
      return {
        leave() {
          if (!counted) return;
          counted = false;
          total -= 1;
          const left = (strangers.get(site) ?? 1) - 1;
          if (left === 0) strangers.delete(site);
          else strangers.set(site, left);
        },
      };
    },
  };
}
