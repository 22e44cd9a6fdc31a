/**
 * Wireshark reads what passed on loopback: a Large message left in chunks out of order, with one
 * that is given up among them, then the push of it and of a MESSAGE. It complains of nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Recorded } from '../../src/engine/recorded.ts';
import {
  type Dissected,
  dissect,
  dissectCapture,
  dissectorAvailable,
} from '../controls/dissect.ts';
import { type LargeFlow, type LargePorts, playLarge } from '../controls/large-flow.ts';
import { bodyOf, byHop, pathOf } from '../controls/large-script.ts';
import { type Capture, captureAvailable, captureLoopback } from '../controls/loopback-capture.ts';
import { frameOctets } from '../controls/msrp-relay-frames.ts';
import type { Packet } from '../controls/scripted-peer.ts';
import { depositText, fixturesAvailable } from '../controls/scripted-peer-flow.ts';

const available = fixturesAvailable() && dissectorAvailable() && captureAvailable();
const FROM = 'msrp://198.51.100.7:8493/si438dsaodes;tcp';
const BODY = Buffer.from('žluťoučký kůň, '.repeat(300)).subarray(0, 5000);

/** The middle comes last, and a message that is given up comes between. */
function chunks(answer: string): readonly Buffer[] {
  const chunk = (tid: string, messageId: string, [from, to]: readonly [number, number]) => ({
    ...{ tid, says: 'SEND', toPath: [pathOf(answer)], fromPath: [FROM] },
    headers: {
      ...{ 'Message-ID': messageId, 'Byte-Range': `${from}-${to}/5000` },
      'Content-Type': 'text/plain;charset=UTF-8',
    },
    body: BODY.subarray(from - 1, to),
  });
  return [
    frameOctets({ ...chunk('a786hjs2kl0d9f31', '87652491hpq3', [1, 2000]), flag: '+' }),
    frameOctets({ ...chunk('a786hjs2kl0d9f32', '87652491hpq3', [4001, 5000]), flag: '$' }),
    frameOctets({ ...chunk('a786hjs2kl0d9f33', '87652491hpq4', [1, 700]), flag: '+' }),
    frameOctets({ ...chunk('a786hjs2kl0d9f34', '87652491hpq4', [701, 900]), flag: '#' }),
    frameOctets({ ...chunk('a786hjs2kl0d9f35', '87652491hpq3', [2001, 4000]), flag: '+' }),
  ];
}

/** What passed, as it was captured, or frame by frame, as the peer read and wrote them. */
interface Found {
  readonly captured: readonly Dissected[];
  readonly framed: readonly Dissected[];
}

/** Over UDP who is slow is told again, and in between that it was heard. */
function eachOnce(packets: readonly Packet[]): readonly Packet[] {
  const once = new Map(packets.map((packet) => [packet.octets.toString('latin1'), packet]));
  return [...once].flatMap(([text, packet]) => (text.startsWith('SIP/2.0 1') ? [] : [packet]));
}

function complaintsOf(found: readonly Dissected[]): readonly string[] {
  return found.flatMap(({ complaints }, index) => complaints.map((one) => `${index + 1}: ${one}`));
}

function countsOf(found: readonly Dissected[]): Readonly<Record<string, number>> {
  const met = found.flatMap(({ protocols }) => protocols);
  const wanted = ['sip', 'sdp', 'msrp', 'mime_multipart', 'sipfrag', 'data-text-lines'];
  return Object.fromEntries(wanted.map((name) => [name, met.filter((one) => one === name).length]));
}

describe.skipIf(!available).each([{ transport: 'tcp' }, { transport: 'udp' }] as const)(
  'a Large message and a MESSAGE, SIP over $transport',
  ({ transport }) => {
    let flow: LargeFlow;
    let capture: Capture | undefined;
    let found: Found;
    let log: readonly Recorded[];
    beforeAll(async () => {
      let ports: LargePorts = { sip: [], msrp: [] };
      flow = await playLarge({
        ...{ transport, registers: 'afterwards' },
        messages: (hop) => [byHop(depositText(1), hop)],
        chunks: (_, answer) => chunks(answer),
        async onPorts(all) {
          ports = all;
          capture = await captureLoopback([...all.sip, ...all.msrp]);
        },
      });
      log = await flow.log();
      const decodeAs = Object.fromEntries([
        ...ports.sip.map((port) => [`${transport} ${port}`, 'sip'] as const),
        ...ports.msrp.map((port) => [`tcp ${port}`, 'msrp'] as const),
      ]);
      found = {
        captured: await dissectCapture((await capture?.end()) ?? '', decodeAs),
        framed: await dissect(eachOnce(flow.peer.packets), decodeAs),
      };
    });
    afterAll(async () => {
      await capture?.remove();
      await flow?.close();
    });

    it('all was said: whole out of order, given up, pushed [RFC 4975 §7.1.1] [A-09]', () => {
      expect(flow.answers.map((answer) => answer.split(' ')[2])).toEqual(Array(5).fill('200'));
      const told = log.map(({ type }) => type);
      expect(told.filter((type) => /^(MessageCompleted|DepositAborted)$/.test(type))).toEqual([
        'DepositAborted',
        'MessageCompleted',
      ]);
      expect(flow.sends).toHaveLength(2);
      expect(bodyOf(flow.sends[1] ?? '')).toContain(
        `\r\n\r\n${BODY}\r\n-------a786hjs2kl0d9f31$\r\n`,
      );
    });

    it('nothing malformed, nothing to complain of', () => {
      expect(complaintsOf(found.captured)).toEqual([]);
      expect(complaintsOf(found.framed)).toEqual([]);
    });

    it('SIP, SDP, MSRP, multipart and message/sipfrag were met', ({ task }) => {
      const [captured, framed] = [countsOf(found.captured), countsOf(found.framed)];
      const text = Object.entries(framed).map(([name, count]) => `${count} ${name}`);
      const packets = `${found.captured.length} packets captured, ${found.framed.length} frames`;
      Object.assign(task.meta, { measured: `${packets}: ${text.join(', ')}` });
      expect(framed).toEqual({
        // MESSAGE, INVITE, BYE, REGISTER (with a REGISTER in it), INVITE and BYE of the push, each
        // with its answer, and two ACKs.
        ...{ sip: 15, sdp: 4 },
        // Five chunks, what binds the push, two messages: each with its answer.
        msrp: 16,
        // Headers of both, and the MESSAGE; a message/msrp is data to it.
        ...{ mime_multipart: 2, sipfrag: 3 },
        // The MESSAGE, and the chunks.
        'data-text-lines': 6,
      });
      // What shares a segment counts once, and what is told again twice.
      for (const count of Object.values(captured)) expect(count).toBeGreaterThan(0);
    });
  },
);
