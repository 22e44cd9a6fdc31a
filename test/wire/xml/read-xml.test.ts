import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  childrenOf,
  readXml,
  XML_BYTES_MAX,
  XML_DEPTH_MAX,
  XML_ELEMENTS_MAX,
  type XmlElement,
} from '../../../src/wire/xml/read-xml.ts';
import { holds } from '../../controls/properties.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => readXml(utf8(text));
const reasonOf = (text: string | Uint8Array) => {
  const result = readXml(typeof text === 'string' ? utf8(text) : text);
  return result.kind === 'refusal' ? result.reason : 'taken';
};

function rootOf(text: string): XmlElement {
  const result = read(text);
  if (result.kind === 'refusal') throw new Error(result.reason);
  return result.root;
}

describe('XML', () => {
  it('is a tree of local names, namespaces, own attributes and text', () => {
    const root = rootOf(
      '<?xml version="1.0" encoding="utf-8"?><!-- c --><a:r xmlns:a="u" x="1" a:y="2">' +
        't&lt;&#x41;<![CDATA[<&]]><b xmlns="v">é</b><a:b/><?pi no?></a:r>\n',
    );
    expect(root).toMatchObject({ name: 'r', namespace: 'u', text: 't<A<&' });
    expect([...root.attributes]).toEqual([['x', '1']]);
    expect(childrenOf(root, 'b', 'u')).toHaveLength(1);
    expect(childrenOf(root, 'b', 'v')).toMatchObject([{ text: 'é' }]);
    expect(childrenOf(root, 'b', '')).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['text alone', 'hello'],
    ['two roots', '<a/><b/>'],
    ['an end that is missing', '<a><b></b>'],
    ['ends that cross', '<a><b></a></b>'],
    ['an attribute twice', '<a x="1" x="2"/>'],
    ['a prefix that nobody bound', '<p:a/>'],
    ['an entity that nobody knows', '<a>&nbsp;</a>'],
    ['a character that XML has not', '<a>\u0001</a>'],
    ['XML 1.1', '<?xml version="1.1"?><a/>'],
    ['another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><a/>'],
  ])('refuses %s', (_, text) => {
    expect(read(text).kind).toBe('refusal');
  });

  it('refuses octets that are not UTF-8', () => {
    expect(reasonOf(Uint8Array.of(0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e))).toBe(
      'is not UTF-8',
    );
  });

  it('refuses every document type: no entity expands, no file is named [RFC 3470 §4.14]', () => {
    const laughs = Array.from(
      { length: 9 },
      (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`,
    ).join('');
    const bomb = `<!DOCTYPE l [<!ENTITY l0 "lol">${laughs}]><l>&l9;</l>`;
    expect(reasonOf(bomb)).toBe('has a document type declaration');
    const file = '<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>';
    expect(reasonOf(file)).toBe('has a document type declaration');
    const parameter = '<!DOCTYPE l [<!ENTITY % p SYSTEM "http://192.0.2.1/">%p;]><l/>';
    expect(reasonOf(parameter)).toBe('has a document type declaration');
    expect(read('<l>&l9;</l>').kind).toBe('refusal');
  });

  it('is bounded in octets, elements and depth', () => {
    const deep = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
    expect(reasonOf(deep(XML_DEPTH_MAX))).toBe('taken');
    expect(reasonOf(deep(XML_DEPTH_MAX + 1))).toContain('deep');
    const wide = (count: number) => `<a>${'<b/>'.repeat(count - 1)}</a>`;
    expect(reasonOf(wide(XML_ELEMENTS_MAX))).toBe('taken');
    expect(reasonOf(wide(XML_ELEMENTS_MAX + 1))).toContain('elements');
    expect(reasonOf(`<a>${' '.repeat(XML_BYTES_MAX)}</a>`)).toContain('larger');
  });

  it('costs no more than its length: the worst that fits is read in its time', () => {
    const fill = (piece: (n: number) => string, before: string, after: string) => {
      let text = before;
      for (let n = 0; text.length + after.length < XML_BYTES_MAX - 40; n += 1) text += piece(n);
      return text + after;
    };
    const attributes = fill((n) => ` x${n}=""`, '<a', '/>');
    const bindings = fill((n) => ` xmlns:p${n}="u"`, '<a', '/>');
    const cdata = fill(() => '<![CDATA[]]>', '<a>', '</a>');
    const comments = fill(() => '<!---->', '<a>', '</a>');
    const references = fill(() => '&#65;', '<a>', '</a>');
    for (const text of [attributes, bindings, cdata, comments, references]) {
      expect(reasonOf(text)).toBe('taken');
    }
    const unclosed = fill(() => '<!DOCTYPE [', '', '');
    expect(read(unclosed).kind).toBe('refusal');
  });

  it('reads or refuses whatever comes, and never throws', () => {
    const pieces = fc.constantFrom(
      ...['<', '>', '</', '/>', '<a', ' x=', '"', "'", '&', ';', '<!', '[', ']', ']]>', '-->'],
      ...['<!--', '<?', '?>', 'xmlns:', ':', 'a', '&lt;', '&#', '<![CDATA[', 'é', '\0', '\ud800'],
    );
    const text = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(''));
    const octets = fc.oneof(text.map(utf8), fc.uint8Array({ maxLength: 200 }));
    holds(
      fc.property(octets, (some) => ['element', 'refusal'].includes(readXml(some).kind)),
      500,
    );
  });
});
