/** A MESSAGE for who is registered at Kamailio: to the client at once, or kept when it is gone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PackageRequest } from '../../src/adapters/ua/sip-package.ts';
import { openSipStack, type SipStack } from '../../src/adapters/ua/sip-stack.ts';
import { kamailioAvailable } from '../controls/kamailio.ts';
import { startLines, typesOf } from '../controls/read-log.ts';
import { type CoreStage, coreStage } from './core-stage.ts';

describe.skipIf(!kamailioAvailable()).each([
  { coreLink: 'tcp', access: 'udp' },
  { coreLink: 'udp', access: 'tcp' },
] as const)(
  'a MESSAGE for who is there, $coreLink to the core, $access to its clients',
  (links) => {
    let stage: CoreStage;
    /** A client that shows what it is sent, and takes no sessions. */
    let pager: SipStack;
    const shown: PackageRequest[] = [];

    beforeAll(async () => {
      stage = await coreStage({ ...links, define: ['CLIENT_MS=700'] });
      const server = { transport: links.access, host: '127.0.0.1', port: stage.core.clientPort };
      pager = await openSipStack({
        server,
        listen: { host: '127.0.0.1' },
        onRequest(request) {
          shown.push(request);
          pager.respond(request, { status: 200, reason: 'OK', toTag: 'pager' });
        },
      });
      const answer = await pager.request({
        method: 'REGISTER',
        uri: 'sip:example.org',
        headers: {
          'max-forwards': '70',
          from: '<sip:alice@example.org>;tag=pager',
          to: '<sip:alice@example.org>',
          'call-id': 'pager',
          cseq: '1 REGISTER',
          contact: `<sip:alice@127.0.0.1:${pager.port};transport=${links.access}>;+g.oma.sip-im;expires=600`,
        },
      });
      expect(answer.status).toBe(200);
      await stage.logged((log) => typesOf(log, 'mailbox').includes('SubscriberRegistered'));
    });
    afterAll(async () => {
      pager?.close();
      await stage?.close();
    });

    it('goes to the client, whose 200 the sender gets: nothing is kept [RFC 3428 §7]', async () => {
      const [sent] = await stage.send(['are you there?']);
      expect(sent?.status).toBe(200);
      expect(shown.map(({ method, content }) => [method, content])).toEqual([
        ['MESSAGE', 'are you there?'],
      ]);
      expect(String(shown[0]?.headers['call-id'])).toBe(sent?.callId);
      expect(typesOf(await stage.log(), 'mailbox')).not.toContain('MessageDeferred');
    });

    it('passed through the store once, with the identity that the core gave it [A-36]', async () => {
      const isMessage = (line: string) => line.startsWith('MESSAGE ');
      const log = await stage.logged((seen) => startLines(seen, 'sent').some(isMessage));
      expect(startLines(log, 'sent').filter(isMessage)).toHaveLength(1);
      expect(startLines(log, 'received').filter(isMessage)).toHaveLength(1);
      expect(JSON.stringify(shown[0]?.headers['p-asserted-identity'])).toContain(
        'sip:bob@example.org',
      );
    });

    it('is kept when the client is gone without a word: 202 [A-47]', async () => {
      pager.close();
      const [sent] = await stage.send(['still there?']);
      expect(sent?.status).toBe(202);
      expect(typesOf(await stage.log(), 'mailbox')).toContain('MessageDeferred');
    });

    it('and comes when the client is back, beside the contact that is dead', async () => {
      const alice = await stage.alice();
      try {
        const { messages } = await alice.delivery();
        expect(messages.map(({ text }) => text)).toEqual(['still there?']);
      } finally {
        alice.close();
      }
    });
  },
);
