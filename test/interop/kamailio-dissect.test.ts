/** What restante and Kamailio said to each other, read by Wireshark. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dissected, dissectCapture, dissectorAvailable } from '../controls/dissect.ts';
import { kamailioAvailable } from '../controls/kamailio.ts';
import { type Capture, captureAvailable, captureLoopback } from '../controls/loopback-capture.ts';
import { freePort } from '../controls/server.ts';
import { type CoreStage, coreStage } from './core-stage.ts';

const available = kamailioAvailable() && dissectorAvailable() && captureAvailable();

describe.skipIf(!available).each([
  { coreLink: 'tcp', access: 'udp' },
  { coreLink: 'udp', access: 'tcp' },
] as const)('deposits and a push through Kamailio, $coreLink to the core', (links) => {
  let stage: CoreStage;
  let capture: Capture | undefined;
  let found: readonly Dissected[];
  beforeAll(async () => {
    stage = await coreStage(links);
    const [sipPort, msrpPort] = [await freePort(), await freePort()];
    const { clientPort, serverPort } = stage.core;
    const sipPorts = [clientPort, serverPort, sipPort, ...stage.storePorts];
    capture = await captureLoopback([...sipPorts, msrpPort]);
    await stage.send(['příliš žluťoučký kůň', 'a longer one: '.repeat(60)]);
    const alice = await stage.alice({ listen: { host: '127.0.0.1', sipPort, msrpPort } });
    expect((await alice.delivery()).messages).toHaveLength(2);
    await alice.register(0);
    alice.close();
    const decodeAs = [
      ...sipPorts.flatMap((port) => [`udp ${port}`, `tcp ${port}`].map((at) => [at, 'sip'])),
      [`tcp ${msrpPort}`, 'msrp'],
    ];
    found = await dissectCapture(await capture.end(), Object.fromEntries(decodeAs));
  });
  afterAll(async () => {
    await capture?.remove();
    await stage?.close();
  });

  it('nothing malformed, nothing to complain of', () => {
    const complaints = found.flatMap(({ complaints: all }, index) =>
      all.map((one) => `${index + 1}: ${one}`),
    );
    // That a connection was closed is a remark about TCP, not a complaint of what was said.
    expect(complaints.filter((one) => !/: Connection finish/.test(one))).toEqual([]);
  });

  it('SIP, SDP, the REGISTER within the REGISTER and MSRP were met', ({ task }) => {
    const all = found.flatMap(({ protocols }) => protocols);
    const count = (protocol: string) => all.filter((one) => one === protocol).length;
    const met = ['sip', 'sdp', 'msrp', 'mime_multipart', 'sipfrag'].map(
      (protocol) => [protocol, count(protocol)] as const,
    );
    Object.assign(task.meta, { measured: met.map((one) => one.join(' ')).join(', ') });
    // Each request passes twice, to the core and from it: MESSAGE ×2, REGISTER, INVITE, ACK, BYE.
    expect(count('sip')).toBeGreaterThanOrEqual(20);
    expect(count('sdp')).toBeGreaterThanOrEqual(4);
    expect(count('msrp')).toBeGreaterThanOrEqual(4);
    // Both pushed messages may share a segment, which counts once.
    expect(count('mime_multipart')).toBeGreaterThanOrEqual(1);
  });
});
