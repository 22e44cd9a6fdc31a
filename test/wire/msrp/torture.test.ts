/** The torture set for MSRP endpoints: test/wire/msrp/torture/README.md. */
import { describe, expect, it } from 'vitest';
import {
  cases,
  clauses,
  requirements,
  type SessionCase,
  type TortureCase,
  textOf,
} from './torture/cases.ts';
import { readDescription, writeDescription } from './torture/descriptions.ts';
import { sessionLaws } from './torture/laws.ts';
import { DEVIATIONS, LACKS } from './torture/play.ts';
import { playOverTcp } from './torture/play-tcp.ts';
import { type Cut, play } from './torture/steps.ts';
import { frameReader } from './torture/written-frames.ts';

const whole: Cut = (octets) => [octets];
const inPieces =
  (size: number): Cut =>
  (octets) =>
    Array.from({ length: Math.ceil(octets.length / size) }, (_, i) =>
      octets.subarray(i * size, (i + 1) * size),
    );
const inTwo =
  (at: number): Cut =>
  (octets) =>
    at < octets.length ? [octets.subarray(0, at), octets.subarray(at)] : [octets];
/** Longer ones are cut in pieces only. */
const IN_TWO_OCTETS_MAX = 2000;
/** Every position takes a minute: by default each case has every 23rd, and another first one. */
const STRIDE = process.env.RESTANTE_VERIFY === '1' ? 1 : 23;

const lacking = ({ needs = [] }: TortureCase) => needs.filter((need) => need in LACKS);
const left = cases.filter((each) => lacking(each).length > 0);
for (const each of left) {
  console.warn(`NOT PLAYED ${each.name}: ${lacking(each).map((need) => LACKS[need])}`);
}

/** Cases with this key, each under a title that names what it proves. */
function of<Key extends string>(key: Key) {
  return cases
    .filter((each): each is Extract<TortureCase, Record<Key, unknown>> => key in each)
    .filter((each) => lacking(each).length === 0)
    .map((each) => {
      const title = `${each.requirements.join(' ')}: ${each.title} ${clauses(each)} (${each.name})`;
      return [title, each] as const;
    });
}

/** As the case says, or, where the endpoint is known to deviate, not. */
function judge(the: TortureCase, found: readonly string[]): void {
  if (the.name in DEVIATIONS) expect(found, 'deviates no more').not.toEqual([]);
  else expect(found.join('\n'), the.why).toBe('');
}

function longestArrival({ steps }: SessionCase): number {
  return Math.max(0, ...steps.map((step) => ('arrive' in step ? textOf(step.arrive).length : 0)));
}

describe('the set', () => {
  const used = new Set(cases.flatMap((each) => each.requirements));

  it('has a case for each requirement that concerns an endpoint, and for no other', () => {
    const wanted = requirements.filter(({ about }) => about !== 'none').map(({ id }) => id);
    expect([...used].sort()).toEqual(wanted.sort());
  });

  it('numbers its requirements by section, and says why some have no case', () => {
    const sections = new Map<string, number>();
    for (const { id, rfc, section, about, reason } of requirements) {
      const place = rfc === 4975 ? section : `${rfc}/${section}`;
      sections.set(place, (sections.get(place) ?? 0) + 1);
      expect(id).toBe(`${place}-${sections.get(place)}`);
      expect(reason !== undefined, id).toBe(about === 'none');
    }
  });

  it('has no two cases of one title, and no deviation without a case', () => {
    const titles = cases.map((each) => each.title);
    expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([]);
    const names = cases.map((each) => each.name);
    expect(Object.keys(DEVIATIONS).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('sessions', () => {
  it.each(of('endpoint'))('%s', (_, the) => {
    const found = [0, 65_536].flatMap((wholeBytesMax) =>
      [whole, inPieces(1), inPieces(7)].flatMap((cut) => play(the, { cut, wholeBytesMax })),
    );
    const length = longestArrival(the);
    if (found.length === 0 && length <= IN_TWO_OCTETS_MAX) {
      for (let at = 1 + (the.name.length % STRIDE); at < length; at += STRIDE) {
        found.push(...play(the, { cut: inTwo(at), wholeBytesMax: at % 2 === 0 ? 0 : 65_536 }));
      }
    }
    judge(the, found);
  });
});

describe('the laws can fail', () => {
  const own = 'msrp://192.0.2.50:2855/p7k2m4qx9w;tcp';
  const peer = 'msrp://192.0.2.17:7394/2s93i9ek2a;tcp';
  const paths = `To-Path: ${peer}\r\nFrom-Path: ${own}\r\n`;
  const id = 'Message-ID: m1000\r\n';
  const type = 'Content-Type: text/plain\r\n';
  const end = (flag: string) => `-------abcd1234efgh${flag}\r\n`;
  const frame = (what: string, rest: string, flag = '$') =>
    `MSRP abcd1234efgh ${what}\r\n${paths}${rest}${end(flag)}`;
  const send = (rest: string, flag?: string) => frame('SEND', `${id}${rest}`, flag);
  const good = send(`Byte-Range: 1-2/2\r\n${type}\r\nhi\r\n`);

  function broken(octets: string): readonly string[] {
    const laws = sessionLaws({ role: 'active', localUri: own, remotePath: [peer] });
    return frameReader()
      .read(octets)
      .flatMap((each) => laws.broken(each));
  }

  it('a good frame breaks none', () => {
    expect(broken(good)).toEqual([]);
  });

  it.each([
    ['7.1-1', good + good],
    ['7.1-2', good.replaceAll('abcd1234efgh', 'abcd1234ef')],
    ['7.1-3', send(`\r\nhi\r\n`)],
    ['7.1-4', send(`${type}X-Mood: good\r\n\r\nhi\r\n`)],
    ['7.1-6', frame('REPORT', `${id}Status: 000 200\r\n${type}\r\n${'x'.repeat(10_241)}\r\n`)],
    ['7.1-7', send(type)],
    ['7.1-11', send(`Byte-Range: 1-2/3\r\n${type}\r\nhi\r\n`)],
    ['7.1-13', send(`Byte-Range: 1-2/2\r\n${type}\r\nhi\r\n`, '+')],
    ['7.1-14', send(`${type}\r\nx-------abcd1234efgh$\r\n`)],
    ['7.1.1-2', frame('SEND', `${type}\r\nhi\r\n`)],
    ['7.1.1-11', send(`Byte-Range: 2-3/3\r\n${type}\r\nhi\r\n`)],
    ['7.1.1-12', send(`Byte-Range: 1-3/3\r\n${type}\r\nhi\r\n`)],
    ['5.1-1', send(`Byte-Range: 1-2049/2049\r\n${type}\r\n${'x'.repeat(2049)}\r\n`)],
    ['7.1.1-10', good.replace('$', '+') + send(`${type}\r\nhi\r\n`)],
    ['10.5-1', good + good],
    ['7.1.1-19', send(`Content-Transfer-Encoding: base64\r\n${type}\r\nhi\r\n`)],
    ['7.1.1-20', send(`Byte-Range: 1-*/9\r\n${type}\r\nhi\r\n`, '+')],
    ['7.1.2-1', frame('REPORT', `${id}Failure-Report: no\r\nStatus: 000 200\r\n`)],
    ['7.1.2-2', frame('REPORT', id)],
    ['7.1.2-3', frame('REPORT', 'Status: 000 200\r\n')],
    ['7.2-5', frame('200 OK', '', '+')],
    ['8.2-6', good.replace(peer, own)],
  ])('[%s] is noticed', (law, octets) => {
    expect(broken(octets).join()).toContain(`[${law}]`);
  });

  it.each([
    ['9-1', 'HTTP/1.1 200 OK\r\n'],
    ['9-3', good.replace('To-Path', 'X-Path')],
    ['9-5', good.replace('Byte-Range:', 'Byte Range:')],
  ])('[%s] is no frame at all', (law, octets) => {
    expect(() => broken(octets)).toThrow(`[${law}]`);
  });
});

describe('descriptions', () => {
  it.each(of('read'))('%s', (_, the) => judge(the, readDescription(the)));
  it.each(of('write'))('%s', (_, the) => judge(the, writeDescription(the)));
});

describe('connections', () => {
  it.each(of('sessions'))('%s', async (_, the) => judge(the, await playOverTcp(the)));
});
