/** One SRV record (RFC 2782). */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** A host name; `.` says that the service is not to be had there. */
  readonly target: string;
}

/**
 * The order in which the servers of a domain are tried (RFC 2782, "Usage rules"): by priority, the
 * lowest first, and within one at random in proportion to the weights. `random` gives numbers from
 * 0 to below 1.
 */
export function orderSrv(
  records: readonly SrvRecord[],
  random: () => number,
): readonly SrvRecord[] {
  const ordered: SrvRecord[] = [];
  // Those of weight 0 stand first, so that they have a small chance beside the others.
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  while (left.length > 0) {
    const priority = left[0]?.priority;
    const same = left.filter((record) => record.priority === priority);
    const sum = same.reduce((total, { weight }) => total + weight, 0);
    const drawn = Math.floor(random() * (sum + 1));
    let running = 0;
    const chosen = same.findIndex(({ weight }) => {
      running += weight;
      return running >= drawn;
    });
    // `same` is the head of `left`, in its order.
    ordered.push(...left.splice(chosen, 1));
  }
  return ordered;
}
