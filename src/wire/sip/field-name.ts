/** RFC 3261 §7.3.3, RFC 3515, 3841, 3892, 4028, 4474, 6665: the compact forms. */
const COMPACT: Readonly<Record<string, string>> = {
  v: 'Via',
  f: 'From',
  t: 'To',
  i: 'Call-ID',
  m: 'Contact',
  c: 'Content-Type',
  l: 'Content-Length',
  s: 'Subject',
  k: 'Supported',
  u: 'Allow-Events',
  o: 'Event',
  a: 'Accept-Contact',
  x: 'Session-Expires',
  r: 'Refer-To',
  b: 'Referred-By',
  e: 'Content-Encoding',
  d: 'Request-Disposition',
  j: 'Reject-Contact',
  y: 'Identity',
  n: 'Identity-Info',
};

const FREQUENT = `Accept Allow Authorization CSeq Date Expires Max-Forwards P-Asserted-Identity
  Path Priority Privacy Record-Route Require Route Server User-Agent Warning`;

/** Spelling → long form in lower case, for the spellings that make up nearly all traffic. */
const LONG_FORMS = new Map<string, string>();
for (const [short, long] of Object.entries(COMPACT)) {
  for (const spelling of [short, short.toUpperCase(), long, long.toLowerCase()]) {
    LONG_FORMS.set(spelling, long.toLowerCase());
  }
}
for (const name of FREQUENT.split(/\s+/)) LONG_FORMS.set(name, name.toLowerCase());

/** The long form of a header's name, in lower case. */
export function longForm(name: string): string {
  return LONG_FORMS.get(name) ?? name.toLowerCase();
}
