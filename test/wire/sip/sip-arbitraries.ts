import fc from 'fast-check';
import type { SipParts } from '../../../src/wire/sip/message.ts';

const ALNUM = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

export const token = fc.string({
  unit: fc.constantFrom(...ALNUM, ...'-.!%*_+`~'),
  minLength: 1,
  maxLength: 12,
});

const word = fc.string({ unit: fc.constantFrom(...ALNUM), minLength: 1, maxLength: 10 });

/** A host by RFC 3261 §25.1: names, IPv4. */
const host = fc.oneof(
  fc.array(word, { minLength: 1, maxLength: 3 }).map((labels) => `${labels.join('.')}.test`),
  fc.ipV4(),
);

const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });

const hostPort = fc
  .tuple(host, port)
  .map(([name, number]) => (number === undefined ? name : `${name}:${number}`));

export const sipUri = fc
  .tuple(
    fc.option(word, { nil: undefined }),
    hostPort,
    fc.constantFrom('', ';lr', ';transport=tcp'),
  )
  .map(([user, at, params]) => `sip:${user === undefined ? '' : `${user}@`}${at}${params}`);

/** Text of a header: anything but line ends and NUL, without white space at the ends. */
export const headerValue = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .map((text) => text.replace(/[\r\n\0]/g, '').replace(/^[ \t]+|[ \t]+$/g, ''));

const display = fc.constantFrom('', 'Bob ', '"Bell, A" ', '"\\"q\\" \\\\" ', 'Анна ', '"<x>" ');

const address = fc
  .tuple(display, sipUri, fc.option(word, { nil: undefined }))
  .map(([name, uri, tag]) => `${name}<${uri}>${tag === undefined ? '' : `;tag=${tag}`}`);

const via = fc
  .tuple(fc.constantFrom('UDP', 'TCP', 'TLS'), hostPort, word, fc.constantFrom('', ';rport'))
  .map(([transport, at, id, rport]) => `SIP/2.0/${transport} ${at};branch=z9hG4bK${id}${rport}`);

const startLine = fc.oneof(
  fc
    .tuple(fc.constantFrom('MESSAGE', 'INVITE', 'BYE', 'X-New'), sipUri)
    .map(([method, uri]) => ({ kind: 'request', method, uri }) as const),
  fc
    .tuple(fc.integer({ min: 100, max: 699 }), headerValue)
    .map(([status, reason]) => ({ kind: 'response', status, reason }) as const),
);

/** Whole valid messages, with the mandatory headers, others and a body of any octets. */
export const sipParts: fc.Arbitrary<SipParts & { readonly body: Uint8Array }> = fc
  .record({
    start: startLine,
    vias: fc.array(via, { minLength: 1, maxLength: 3 }),
    from: address,
    to: address,
    callId: word,
    number: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    others: fc.array(
      fc.tuple(
        word.map((name) => `X-${name}`),
        headerValue,
      ),
      { maxLength: 5 },
    ),
    body: fc.uint8Array({ maxLength: 200 }),
  })
  .map(({ start, vias, from, to, callId, number, others, body }) => {
    const method = start.kind === 'request' ? start.method : 'MESSAGE';
    const headers: (readonly [string, string])[] = [
      ...vias.map((value) => ['Via', value] as const),
      ['From', from],
      ['To', to],
      ['Call-ID', callId],
      ['CSeq', `${number} ${method}`],
      ...others,
    ];
    return { start, headers, body };
  });
