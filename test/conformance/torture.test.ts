/**
 * Every torture message against one running server, over UDP and over TCP.
 *
 * The files name foreign hosts in Via, and an answer without `rport` goes to the source address at
 * the port of sent-by (RFC 3261 §18.2.2): each file is sent from an address of its own in
 * 127.0.0.0/8, where the peer listens at every port that a Via of the files names. Two things
 * are rewritten, because one server gets each file twice and many files share them: the branch of
 * the topmost Via and the Call-ID get a suffix, or most would be repetitions.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Line, type ScriptedPeer, scriptedPeer } from '../controls/scripted-peer.ts';
import { type Server, startServer } from '../controls/server.ts';
import {
  ON_A_STREAM,
  RFC4475,
  RFC5118,
  SERVING_EXAMPLE_COM,
  type TortureRow,
} from '../wire/sip/torture-table.ts';

const shared = join(import.meta.dirname, '../../../shared/data/torture');
const isLinux = process.platform === 'linux';
if (!isLinux) console.warn('SKIPPED: only Linux has all of 127.0.0.0/8 on its loopback');
if (!existsSync(shared)) console.warn(`SKIPPED: the torture archives are not at ${shared}`);
const available = isLinux && existsSync(shared);

/** Ports of sent-by in the topmost Vias; 5060 where there is none. */
const SENT_BY_PORTS = [5060, 5050, 5070, 6050, 19_823];
/** Resident memory that all the files together may add: buffers of some connections, no more. */
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;

/** The /24 of this process: suites that run at the same time do not meet. */
const NETWORK = `127.${64 + (process.pid & 127)}.${(process.pid >> 7) & 255}`;

const rows = [...RFC4475, ...RFC5118];
const expected = (row: TortureRow) => SERVING_EXAMPLE_COM[row.file] ?? row.answer;

/** As in `test/wire/sip/torture.test.ts`: the archive of RFC 5118 ends lines with LF. */
function onTheWire(text: string): string {
  const lines = text.replaceAll('\n', '\r\n');
  return lines.includes('\r\n\r\n') ? lines : `${lines}\r\n`;
}

/** The file as latin1, so that every octet survives. */
function contentOf(file: string): string {
  const six = join(shared, 'rfc5118', file);
  if (existsSync(six)) return onTheWire(readFileSync(six, 'latin1'));
  const kind = existsSync(join(shared, 'rfc4475/valid', `${file}.dat`)) ? 'valid' : 'invalid';
  return readFileSync(join(shared, 'rfc4475', kind, `${file}.dat`), 'latin1');
}

function fresh(text: string, suffix: string): Buffer {
  const altered = text
    .replace(/(branch=z9hG4bK[^\s;,]+)/, `$1${suffix}`)
    .replace(/^((?:call-id|i)[ \t]*:\s*)(\S+)/im, `$1${suffix}$2`);
  return Buffer.from(altered, 'latin1');
}

function options(token: string): string {
  return [
    'OPTIONS sip:example.com SIP/2.0',
    `Via: SIP/2.0/UDP alive.invalid;rport;branch=z9hG4bK${token}`,
    'Max-Forwards: 70',
    'From: <sip:watch@example.com>;tag=1',
    'To: <sip:example.com>',
    `Call-ID: ${token}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0\r\n\r\n',
  ].join('\r\n');
}

/** Statuses of the responses among what came; requests of the server do not count. */
function statuses(lines: readonly Line[]): readonly number[] {
  return lines
    .flatMap((line) => line.received)
    .map((octets) => /^SIP\/2\.0 (\d{3}) /.exec(octets.toString('latin1')))
    .flatMap((match) => (match ? [Number(match[1])] : []));
}

/** Final answers, as the table writes them: each once, for UDP repeats those to INVITE. */
function verdict(lines: readonly Line[]): readonly (number | string)[] {
  const finals = statuses(lines).filter((status) => status >= 200);
  const words = finals.map((status) => (status < 300 ? 'accepted' : status));
  return words.length === 0 ? ['silence'] : [...new Set(words)];
}

function residentBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]);
}

describe.skipIf(!available)('a running server and the torture messages', () => {
  let server: Server;
  let peer: ScriptedPeer;
  let watch: Line;
  let before = 0;

  beforeAll(async () => {
    server = await startServer({ args: ['--domain', 'example.com'] });
    peer = scriptedPeer();
    watch = await peer.datagrams(server.sipPort);
    await alive('first');
    before = residentBytes(server.process.pid);
  });
  afterAll(async () => {
    peer.close();
    await server.remove();
  });

  /** The server answers in order: with this answer all earlier datagrams have theirs, too. */
  async function alive(token: string): Promise<void> {
    watch.send(options(token));
    expect(String(await watch.next())).toMatch(/^SIP\/2\.0 200 /);
  }

  describe('over UDP', () => {
    it.each(rows.map((row, index) => ({ ...row, index, answer: expected(row) })))(
      '$file → $answer [$section]',
      async ({ file, index, answer }) => {
        const host = `${NETWORK}.${index + 1}`;
        const lines: Line[] = [];
        for (const port of SENT_BY_PORTS) {
          lines.push(await peer.datagrams(server.sipPort, { host, port }));
        }
        lines[0]?.send(fresh(contentOf(file), `u${index}`));
        await alive(`udp-${index}`);
        if (answer !== 'silence') await Promise.race(lines.map((line) => line.next()));
        expect(verdict(lines)).toEqual([answer]);
      },
    );
  });

  describe('over TCP', () => {
    it.each(
      rows.map((row, index) => ({ ...row, index, answer: ON_A_STREAM[row.file] ?? expected(row) })),
    )('$file → $answer [$section]', async ({ file, index, answer }) => {
      const line = await peer.connect(server.sipPort);
      line.send(fresh(contentOf(file), `t${index}`));
      // What follows the first request of dblreq is a second one on a stream: an INVITE, 488.
      const also = file === 'dblreq' ? [488] : [];
      if (answer !== 'silence') for (const _ of [answer, ...also]) await line.next();
      await alive(`tcp-${index}`);
      line.close();
      expect(verdict([line]).toSorted()).toEqual([...also, answer]);
    });
  });

  it('leave no fault in the log and no memory behind', async () => {
    const faults = server
      .log()
      .split('\n')
      .filter((entry) => /"level":"(error|fatal)"/.test(entry));
    expect(faults).toEqual([]);
    const growth = residentBytes(server.process.pid) - before;
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
  });
});
