/** Requests built to be dear to read: one thing repeated until the request has a given size. */

const HEAD = [
  'OPTIONS sip:example.org SIP/2.0',
  'Via: SIP/2.0/%T hostile.invalid;rport;branch=z9hG4bK%I',
  'Max-Forwards: 70',
  'From: <sip:mallory@example.com>;tag=%I',
  'To: <sip:example.org>',
  'Call-ID: %I',
  'CSeq: 1 OPTIONS',
];

/** `before` and `after` stand around the repeated part, as lines of their own of the head. */
const SHAPES = {
  spaces: ['Subject: ', ' ', 'x'],
  'one header name': ['', 'n', ': x'],
  'short headers': ['', 'a: b\r\n', 'a: b'],
  folds: ['Subject: x', '\r\n x', ''],
  'tabs after a colon': ['Subject:', '\t', ''],
  commas: ['Contact: <sip:a@b>', ',', ''],
  'contacts in one line': ['Contact: <sip:a@b>', ', <sip:a@b>', ''],
  semicolons: ['Contact: <sip:a@b>', ';', ''],
  parameters: ['Contact: <sip:a@b>', ';p=v', ''],
  'an open quote': ['Contact: "', '\\"', ''],
  brackets: ['Contact: ', '<', ''],
  'vias in one line': ['Via: SIP/2.0/UDP a', ', SIP/2.0/UDP a', ''],
  zeros: ['Expires: ', '0', ''],
  'carriage returns': ['Subject: x', '\r', ''],
  'line feeds': ['Subject: x', '\n', ''],
  boundaries: ['Content-Type: multipart/mixed;boundary="', '-', '"'],
} as const;

export type Shape = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as readonly Shape[];

/** A request of about `bytes` octets; `token` makes it a transaction of its own. */
export function hostileRequest(
  shape: Shape,
  options: { readonly bytes: number; readonly token: string; readonly transport: string },
): Buffer {
  const { bytes, token, transport } = options;
  const [before, part, after] = SHAPES[shape];
  const head = `${HEAD.join('\r\n')}\r\n`.replaceAll('%T', transport).replaceAll('%I', token);
  const tail = `${after}\r\nContent-Length: 0\r\n\r\n`;
  const room = bytes - head.length - before.length - tail.length;
  return Buffer.from(`${head}${before}${part.repeat(Math.floor(room / part.length))}${tail}`);
}

/** A harmless OPTIONS, small and well formed. */
export function plainOptions(token: string, transport: string): string {
  const head = `${HEAD.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;
  return head.replaceAll('%T', transport).replaceAll('%I', token);
}
