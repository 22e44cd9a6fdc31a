import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type SentMessage, sendMessages } from '../../../src/adapters/ua/send-messages.ts';
import { loopbackPeer } from './loopback-peer.ts';

const people = { from: 'bob', to: 'sip:alice@example.org', domain: 'example.com' };

describe.each(['udp', 'tcp'] as const)('sendMessages over %s', (transport) => {
  it('sends one MESSAGE after another and tells what became of each', async () => {
    const peer = await loopbackPeer(transport);
    const told: SentMessage[] = [];
    const sending = sendMessages({
      server: peer,
      ...people,
      bodies: ['Grüße, 你好', 'second'],
      subject: 'Żółw',
      expires: 60,
      headers: { priority: 'urgent' },
      version: '1.2.3',
      onAnswer: (answer) => told.push(answer),
    });
    const first = await peer.next();
    expect(first.message.start).toEqual({
      kind: 'request',
      method: 'MESSAGE',
      uri: 'sip:alice@example.org',
    });
    expect(new TextDecoder().decode(first.message.body)).toBe('Grüße, 你好');
    const value = (name: string) => first.message.first(name);
    expect(value('subject')).toBe('Żółw');
    expect(value('from')).toMatch(/^<sip:bob@example\.com>;tag=/);
    expect(value('to')).toBe('<sip:alice@example.org>');
    expect(value('expires')).toBe('60');
    expect(value('priority')).toBe('urgent');
    expect(value('user-agent')).toBe('IM-client/OMA1.0 restante-ua/1.2.3');
    expect(value('date')).toMatch(/ GMT$/);
    expect(value('contact')).toBeUndefined();
    first.answer(100);
    first.answer(202);
    const second = await peer.next();
    // RFC 3428 §8: the next one only after the answer.
    expect(told).toHaveLength(1);
    second.answer(480);
    const sent = await sending;
    expect(sent.map(({ status }) => status)).toEqual([202, 480]);
    expect(sent).toEqual(told);
    expect(sent[0]?.callId).toBe(value('call-id'));
    await peer.close();
  });

  it('numbers the messages when only their count is given', async () => {
    const peer = await loopbackPeer(transport);
    const sending = sendMessages({ server: peer, ...people, bodies: 2 });
    for (const text of ['message 1 of 2', 'message 2 of 2']) {
      const { message, answer } = await peer.next();
      expect(new TextDecoder().decode(message.body)).toBe(text);
      answer(202);
    }
    expect(await sending).toHaveLength(2);
    await peer.close();
  });
});

describe('sendMessages', () => {
  it('says 503 when nobody listens', async () => {
    const peer = await loopbackPeer('tcp');
    await peer.close();
    const sent = await sendMessages({ server: peer, ...people, bodies: 1 });
    expect(sent.map(({ status }) => status)).toEqual([503]);
  });

  it('refuses a port in use with what to do, and a body that no datagram holds', async () => {
    const taken = createSocket('udp4');
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const server = { host: 'localhost', port: 9, transport: 'udp' } as const;
    const listen = { host: '127.0.0.1', port: taken.address().port };
    await expect(sendMessages({ server, listen, ...people, bodies: 1 })).rejects.toThrow(
      /choose another/,
    );
    taken.close();
    const bodies = ['x'.repeat(60_001)];
    await expect(sendMessages({ server, ...people, bodies })).rejects.toThrow(/use tcp/);
  });
});
