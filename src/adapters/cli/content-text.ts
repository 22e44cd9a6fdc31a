/** What a message says, for a person: octets off the wire, made visible line by line. */
import { parseSip } from '../../wire/sip/message.ts';
import { visible } from '../../wire/visible.ts';

/** A line each; one ends where its LF is. */
export function linesText(octets: Uint8Array): string {
  const lines: string[] = [];
  for (let start = 0; start < octets.length; ) {
    const lf = octets.indexOf(10, start);
    const end = lf < 0 ? octets.length : lf;
    const trimmed = octets[end - 1] === 13 ? end - 1 : end;
    lines.push(`  ${visible(octets.subarray(start, Math.max(start, trimmed)))}\n`);
    start = end + 1;
  }
  return lines.join('');
}

/** Start line, headers and body of a SIP message. */
export function messageText(octets: Uint8Array): string {
  const { message } = parseSip(octets, 'exact');
  const body = message?.body ?? new Uint8Array();
  return linesText(octets.subarray(0, octets.length - body.length)) + linesText(body);
}

/** Start line of a SIP message and those of its headers that are named, each as it was written. */
export function headersText(octets: Uint8Array, names: readonly string[]): string {
  const { message } = parseSip(octets, 'exact');
  if (message === undefined) return linesText(octets);
  const startLine = message.octets.subarray(0, message.octets.indexOf(10) + 1);
  const fields = message.fields
    .filter(({ name }) => names.includes(name))
    .map(({ start, end }) => linesText(message.octets.subarray(start, end)));
  return linesText(startLine) + fields.join('');
}
