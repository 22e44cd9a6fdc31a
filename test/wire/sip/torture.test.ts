import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSip } from '../../../src/wire/sip/message.ts';
import { RFC4475, RFC5118, SIP_PACKAGE, type TortureRow } from './torture-table.ts';

const shared = join(import.meta.dirname, '../../../../shared/data/torture');
const packaged = join(
  dirname(createRequire(import.meta.url).resolve('sip/package.json')),
  'test/messages',
);

/** What `parseSip` says about one datagram, as the table writes it. */
function codecOf(octets: Uint8Array): TortureRow['codec'] {
  const parsed = parseSip(octets, 'datagram');
  return parsed.kind === 'message' ? 'message' : parsed.status;
}

/**
 * The archive of RFC 5118 ends lines with LF and two heads not at all; on the wire, and in its
 * Content-Lengths, a line ends with CRLF (RFC 3261 §7).
 */
function onTheWire(text: string): Uint8Array {
  const lines = text.replaceAll('\n', '\r\n');
  return new TextEncoder().encode(lines.includes('\r\n\r\n') ? lines : `${lines}\r\n`);
}

describe('the files of the sip package', () => {
  const rows = [...RFC4475, ...SIP_PACKAGE];

  it('the table has a row for each of them', () => {
    const files = readdirSync(packaged).filter((name) => name.endsWith('.dat'));
    expect(rows.map((row) => `${row.file}.dat`).sort()).toEqual(files.sort());
  });

  it.each(rows)('$file → $codec, $why [$section]', ({ file, codec }) => {
    expect(codecOf(readFileSync(join(packaged, `${file}.dat`)))).toBe(codec);
  });
});

if (!existsSync(shared)) {
  console.warn(`SKIPPED: the torture archives are not at ${shared}`);
}

describe.skipIf(!existsSync(shared))('the archives of RFC 4475 and RFC 5118', () => {
  const find = (file: string) =>
    ['valid', 'invalid']
      .map((kind) => join(shared, 'rfc4475', kind, `${file}.dat`))
      .find((path) => existsSync(path));

  it('the table has a row for each file', () => {
    const names = ['valid', 'invalid'].flatMap((kind) =>
      readdirSync(join(shared, 'rfc4475', kind)),
    );
    expect(RFC4475.map((row) => `${row.file}.dat`).sort()).toEqual(names.sort());
    const six = readdirSync(join(shared, 'rfc5118'));
    expect(RFC5118.map((row) => row.file).sort()).toEqual(six.sort());
  });

  it.each(RFC4475)('$file → $codec, $why [$section]', ({ file, codec }) => {
    expect(codecOf(readFileSync(find(file) ?? file))).toBe(codec);
  });

  it.each(RFC5118)('$file → $codec, $why [$section]', ({ file, codec }) => {
    const text = readFileSync(join(shared, 'rfc5118', file), 'latin1');
    expect(codecOf(onTheWire(text))).toBe(codec);
  });

  it('ipv6-in-sdp is a message once its Content-Length is right [RFC 5118 §4.6]', () => {
    const text = readFileSync(join(shared, 'rfc5118/ipv6-in-sdp'), 'latin1');
    expect(codecOf(onTheWire(text.replace('268', '251')))).toBe('message');
  });

  it('a refusal that has a status carries what an answer copies', () => {
    for (const { file } of RFC4475) {
      const parsed = parseSip(readFileSync(find(file) ?? file), 'datagram');
      if (parsed.kind === 'message' || parsed.status === null) continue;
      expect(parsed.message?.first('via'), file).toMatch(/^SIP/);
      expect(parsed.message?.start.kind, file).toBe('request');
    }
  });
});
