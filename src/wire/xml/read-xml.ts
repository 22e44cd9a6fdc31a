import { SaxesParser } from 'saxes';

/** One element with all that is in it; comments and processing instructions are left out. */
export interface XmlElement {
  /** Local name, without its prefix. */
  readonly name: string;
  /** Namespace URI; empty: none (Namespaces in XML 1.0 §2). */
  readonly namespace: string;
  /** Of attributes without a namespace: what a vocabulary defines for its own elements. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** The element's own character data, CDATA sections included, in one piece. */
  readonly text: string;
}

export type ReadXml =
  | { readonly kind: 'element'; readonly root: XmlElement }
  | { readonly kind: 'refusal'; readonly reason: string };

/** A SIP message holds no more (`SIP_LIMITS`). */
export const XML_BYTES_MAX = 256 * 1024;
/** The vocabularies read here are four deep; extensions within them get as much again, and more. */
export const XML_DEPTH_MAX = 32;
/** Bounds what a hostile document can make us build. */
export const XML_ELEMENTS_MAX = 10_000;

interface Open {
  readonly name: string;
  readonly namespace: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  readonly texts: string[];
}

/** Thrown through the parser to end it; never leaves this file. */
function refuse(reason: string): never {
  throw new Error(reason);
}

/**
 * Reads a whole XML 1.0 document in UTF-8, namespaces resolved. A document type declaration is
 * refused, and with it every entity but the five of XML 1.0 §4.6: nothing can expand (RFC 3470
 * §4.14). The time is linear in the octets.
 */
export function readXml(octets: Uint8Array): ReadXml {
  try {
    if (octets.length > XML_BYTES_MAX) refuse(`is larger than ${XML_BYTES_MAX} octets`);
    return { kind: 'element', root: parse(decode(octets)) };
  } catch (fault) {
    // Without a handler for errors the parser throws at the first one; it throws nothing else.
    return { kind: 'refusal', reason: fault instanceof Error ? fault.message : String(fault) };
  }
}

function decode(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return refuse('is not UTF-8');
  }
}

function parse(text: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true });
  const open: Open[] = [];
  let root: XmlElement | undefined;
  let elements = 0;

  parser.on('xmldecl', ({ encoding, version }) => {
    if (version !== '1.0') refuse(`is XML ${version}`);
    if (!/^(utf-8|us-ascii)$/i.test(encoding ?? 'utf-8')) refuse(`is in ${encoding}`);
  });
  // The parser passes over an internal subset without a look at what it declares.
  parser.on('doctype', () => refuse('has a document type declaration'));
  parser.on('opentag', ({ local, uri, attributes }) => {
    elements += 1;
    if (elements > XML_ELEMENTS_MAX) refuse(`has more than ${XML_ELEMENTS_MAX} elements`);
    if (open.length >= XML_DEPTH_MAX) refuse(`is more than ${XML_DEPTH_MAX} elements deep`);
    const own = Object.values(attributes).filter((attribute) => attribute.uri === '');
    open.push({
      name: local,
      namespace: uri,
      attributes: new Map(own.map((attribute) => [attribute.local, attribute.value])),
      children: [],
      texts: [],
    });
  });
  parser.on('text', (data) => void open.at(-1)?.texts.push(data));
  parser.on('cdata', (data) => void open.at(-1)?.texts.push(data));
  parser.on('closetag', () => {
    const closed = open.pop();
    if (!closed) return;
    const { texts, ...element } = closed;
    const whole: XmlElement = { ...element, text: texts.join('') };
    const parent = open.at(-1);
    if (parent) parent.children.push(whole);
    else root = whole;
  });
  parser.write(text).close();
  return root ?? refuse('has no element');
}

/** The children of that name in that namespace; what is in another one is somebody else's. */
export function childrenOf(
  element: XmlElement,
  name: string,
  namespace: string,
): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name && child.namespace === namespace);
}
