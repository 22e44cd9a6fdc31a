const OCTET = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const IPV4 = new RegExp(String.raw`^${OCTET}(?:\.${OCTET}){3}$`);
const GROUP = /^[0-9a-f]{1,4}$/i;
/** RFC 4291 §2.2: an address has eight; `::` stands for one or more of them. */
const GROUPS = 8;

/**
 * Whether a text is an IPv4 or IPv6 address, the latter without brackets and without a zone. What
 * is not would be looked up as a name by whoever is asked to connect there: `999.1.1.1` too.
 */
export function isIpAddress(text: string): boolean {
  return IPV4.test(text) || isIpv6(text);
}

function isIpv6(text: string): boolean {
  const [left = '', right, ...more] = text.split('::');
  if (more.length > 0) return false;
  if (right === undefined) return groupsOf(left) === GROUPS;
  // An IPv4 address stands at the end only.
  return !left.includes('.') && groupsOf(left) + groupsOf(right) < GROUPS;
}

/** How many groups a run of them has; more than any address when one is none. */
function groupsOf(run: string): number {
  if (run === '') return 0;
  const parts = run.split(':');
  const last = parts.at(-1) ?? '';
  const endsInIpv4 = IPV4.test(last);
  const groups = endsInIpv4 ? parts.slice(0, -1) : parts;
  const valid = groups.every((group) => GROUP.test(group));
  return valid ? groups.length + (endsInIpv4 ? 2 : 0) : GROUPS + 1;
}

/** One spelling of an IPv6 address for all that are equal; what is none comes back as it is. */
export function normalIpv6(text: string): string {
  if (!isIpv6(text)) return text;
  const [left = '', right] = text.split('::');
  const [head, tail] = [numbersOf(left), numbersOf(right ?? '')];
  const zeros = right === undefined ? 0 : GROUPS - head.length - tail.length;
  const groups = [...head, ...new Array<number>(zeros).fill(0), ...tail];
  return groups.map((group) => group.toString(16)).join(':');
}

function numbersOf(run: string): readonly number[] {
  if (run === '') return [];
  return run.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
