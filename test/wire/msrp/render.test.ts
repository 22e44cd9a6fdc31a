import { describe, expect, it } from 'vitest';
import { freshTid, renderResponse, renderSend, tidOccurs } from '../../../src/wire/msrp/render.ts';

const octets = (text: string) => new TextEncoder().encode(text);

describe('rendering', () => {
  const parts = { tid: 'abcd', toPath: ['msrp://a/b;tcp'], fromPath: [], flag: '$' } as const;

  it('cannot be made to break a line', () => {
    for (const bad of ['a\r\nX: y', 'a\nb', 'a\0']) {
      expect(() => renderSend({ ...parts, contentType: bad })).toThrow(TypeError);
      expect(() => renderSend({ ...parts, toPath: [bad] })).toThrow(TypeError);
      expect(() => renderSend({ ...parts, messageId: bad })).toThrow(TypeError);
      expect(() => renderSend({ ...parts, otherHeaders: [['X-a', bad]] })).toThrow(TypeError);
      expect(() => renderResponse({ ...parts, status: 200, comment: bad })).toThrow(TypeError);
    }
  });

  it('takes another transaction id when the body holds the first [RFC 4975 §7.1]', () => {
    let calls = 0;
    const random = (n: number) => new Uint8Array(n).fill(calls++ === 0 ? 0 : 1);
    const inside = octets(`-------${'a'.repeat(16)}$`);
    expect(tidOccurs('a'.repeat(16), [inside])).toBe(true);
    expect(freshTid([inside], random)).toBe('b'.repeat(16));
  });

  it.each([1, 2, 7, 8, 22])('also when the body comes in parts of %i octets', (bytes) => {
    const parts = (text: string) =>
      Array.from({ length: Math.ceil(text.length / bytes) }, (_, i) =>
        octets(text.slice(i * bytes, (i + 1) * bytes)),
      );
    expect(tidOccurs('abcd1234', parts('before-------abcd1234$ and more behind it'))).toBe(true);
    expect(tidOccurs('abcd1234', parts('before------abcd1234$ and more behind it'))).toBe(false);
  });

  it('passes the body by reference', () => {
    const held = new Uint8Array(5000);
    expect(renderSend({ ...parts, contentType: 'a/b', body: held })[1]).toBe(held);
  });
});
