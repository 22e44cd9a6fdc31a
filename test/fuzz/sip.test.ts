/**
 * Whatever octets come, the codec answers with a message or a refusal: nothing throws, nothing
 * hangs, and what is made of a message that was taken can be read again.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import { depositOf } from '../../src/deferral/deposit.ts';
import { journaled } from '../../src/wire/journal.ts';
import { isLargeMode } from '../../src/wire/large-mode.ts';
import { openEncapsulated } from '../../src/wire/mime/encapsulation.ts';
import { judgeAnswer } from '../../src/wire/sdp/judge-answer.ts';
import { parseMsrpMedia } from '../../src/wire/sdp/msrp-media.ts';
import { parseContacts, parseFeatureParams } from '../../src/wire/sip/contact.ts';
import { parseSipDate } from '../../src/wire/sip/date.ts';
import { dialogFrom2xx, requestInDialog } from '../../src/wire/sip/dialog.ts';
import { parseChallenges, parseCredentials } from '../../src/wire/sip/digest-fields.ts';
import {
  forwardedRequest,
  forwardingRefusal,
  relayedResponse,
  targetOf,
} from '../../src/wire/sip/forwarding.ts';
import { type Framed, sipFramer } from '../../src/wire/sip/framing.ts';
import {
  parseExpires,
  parseMediaType,
  parseMinSe,
  parseRetryAfter,
  parseSessionExpires,
  parseTokens,
} from '../../src/wire/sip/headers.ts';
import type { Hop } from '../../src/wire/sip/hop.ts';
import { ackForFailure, cancelFor } from '../../src/wire/sip/invite-requests.ts';
import { SIP_LIMITS } from '../../src/wire/sip/limits.ts';
import { parseSip, type SipMessage, withoutHeaders } from '../../src/wire/sip/message.ts';
import { parseNameAddrs } from '../../src/wire/sip/name-addr.ts';
import { parseReginfo } from '../../src/wire/sip/reginfo.ts';
import { renderResponse } from '../../src/wire/sip/response.ts';
import { accountOf, parseUri } from '../../src/wire/sip/uri.ts';
import { parseVia } from '../../src/wire/sip/via.ts';
import { visible } from '../../src/wire/visible.ts';
import { FUZZ_CASES, fuzz } from '../controls/fuzzing.ts';

const SHARED = join(import.meta.dirname, '../../../shared/data');
const SOURCE: Hop = { transport: 'udp', host: '192.0.2.9', port: 5060, local: '192.0.2.1:5060' };
const encoder = new TextEncoder();

/** Enough of each kind to be damaged where the fixtures of the design are not at hand. */
const OWN = [
  'MESSAGE sip:alice@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa;rport\r\n' +
    'Max-Forwards: 70\r\nFrom: "B" <sip:bob@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\n' +
    'Call-ID: a@b\r\nCSeq: 1 MESSAGE\r\nAuthorization: Digest username="b", realm="example.org", ' +
    'nonce="n", uri="sip:alice@example.org", response="00", algorithm=SHA-256, qop=auth, nc=00000001, ' +
    'cnonce="c"\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
  'SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP im.example.org;branch=z9hG4bKb, SIP/2.0/UDP [::1]:5062\r\n' +
    'From: <sip:im@example.org>;tag=2\r\nTo: <sip:alice@example.org>;tag=3\r\nCall-ID: c@d\r\n' +
    'CSeq: 1 INVITE\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\nSession-Expires: 1800;refresher=uac\r\n' +
    'Contact: "A" <sip:alice@192.0.2.17;transport=tcp>;+g.oma.sip-im;q=0.5;expires=60\r\n' +
    'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth,auth-int"\r\n' +
    'Content-Length: 0\r\n\r\n',
].map((text) => encoder.encode(text));

function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

const files = ['wire', 'torture'].flatMap((name) => filesBelow(join(SHARED, name)));
if (files.length === 0) console.warn(`SKIPPED: no fixtures below ${SHARED}; two own messages only`);
const corpus = [...OWN, ...files.map((file) => new Uint8Array(readFileSync(file)))];

/** Every reader of one header's text. */
const readers: readonly ((text: string) => unknown)[] = [
  parseNameAddrs,
  parseContacts,
  parseFeatureParams,
  parseVia,
  parseUri,
  accountOf,
  parseMediaType,
  parseSessionExpires,
  parseMinSe,
  parseRetryAfter,
  parseExpires,
  parseSipDate,
  parseCredentials,
  visible,
  (text) => parseTokens([text]),
  (text) => parseChallenges([text]),
];

function readAll(message: SipMessage): void {
  for (const { name } of message.fields) {
    for (const value of message.all(name)) for (const read of readers) read(value);
  }
  parseMsrpMedia(message.body);
  judgeAnswer(message.body, { assumeMultipart: false, wrappedNeeded: ['message/sipfrag'] });
  openEncapsulated(message.first('content-type') ?? '', message.body);
}

/**
 * A Route line for each of hundreds of Record-Routes, or a tag behind a line of 16 KiB, is more than
 * is taken from strangers.
 */
const WIDE = {
  ...SIP_LIMITS,
  headerLinesMax: 10_000,
  lineBytesMax: 64 * 1024,
  headBytesMax: 1024 * 1024,
};

function again(octets: Uint8Array): SipMessage {
  const parsed = parseSip(octets, 'exact', WIDE);
  if (parsed.kind === 'refusal') throw new Error(`${parsed.reason} in what was rendered`);
  return parsed.message;
}

function takeRequest(request: SipMessage): void {
  again(renderResponse(request, SOURCE, { status: 200, toTag: 't', recordRoute: 'copied' }));
  again(withoutHeaders(request, (name) => name === 'p-asserted-identity'));
  isLargeMode(request, undefined, { acceptUntagged: true, lateOffer: true });
  const evidence = { protocol: 'sip', transport: 'udp', local: 'l', remote: 'r' } as const;
  const stamp = { account: 'sip:a@b', at: 1, id: '1@h', digest: hostDigest, evidence };
  depositOf(request, stamp);
  // Only what has a Request-URI that can be read is ever sent or passed on.
  const uri = request.start.kind === 'request' ? request.start.uri : '';
  if (parseUri(uri) === undefined) return;
  cancelFor(request.octets);
  if (forwardingRefusal(request, 'loop') !== undefined) return;
  const target = targetOf(request, () => false);
  const hop = { source: SOURCE, via: 'SIP/2.0/UDP im.example.org', branch: 'z9hG4bKf', target };
  const forwarded = again(forwardedRequest(request, hop));
  expect(forwarded.body).toEqual(request.body);
}

function takeResponse(response: SipMessage): void {
  const relayed = relayedResponse(response);
  const parsed = relayed && parseSip(relayed, 'exact');
  // What lies below our own Via is passed on as it came, good or bad.
  if (parsed?.kind === 'refusal') expect(parsed.reason).toContain('Via');
  else if (parsed) expect(parsed.message.body).toEqual(response.body);
  const found = dialogFrom2xx(response, response);
  // A 2xx without a usable Contact: the target is then the account.
  const dialog = { ...found, remoteTarget: found.remoteTarget || 'sip:alice@example.org' };
  const via = 'SIP/2.0/UDP im.example.org';
  again(requestInDialog(dialog, { method: 'BYE', cseq: 2, branch: 'z9hG4bKb', via }));
}

/** The same octets in pieces of any size. */
function inPieces(octets: Uint8Array, below: (limit: number) => number): readonly Framed[] {
  const framer = sipFramer();
  const found: Framed[] = [];
  for (let at = 0; at < octets.length; ) {
    const size = 1 + below(200);
    found.push(...framer.push(octets.slice(at, at + size)));
    at += size;
  }
  return found;
}

function sketch(found: readonly Framed[]): readonly string[] {
  return found.map((one) => {
    if (one.kind === 'ping') return 'ping';
    if (one.kind === 'message') return new TextDecoder('latin1').decode(one.message.octets);
    return `${one.status} ${one.reason} ${one.fatal}`;
  });
}

/** A million cases take some minutes on two busy cores. */
describe('damaged SIP', { timeout: 3_600_000 }, () => {
  it('a datagram is a message or a refusal, and a message can be used [RFC 3261 §7]', () => {
    fuzz(corpus, FUZZ_CASES, (octets) => {
      const parsed = parseSip(octets, 'datagram');
      if (parsed.kind === 'refusal') {
        const { message, status } = parsed;
        if (message && status !== null) renderResponse(message, SOURCE, { status, toTag: 't' });
        return;
      }
      const { message } = parsed;
      readAll(message);
      if (message.start.kind === 'request') takeRequest(message);
      else takeResponse(message);
    });
  });

  it('a stream is cut alike in whatever pieces it comes [RFC 3261 §18.3]', () => {
    fuzz(corpus, Math.floor(FUZZ_CASES / 3), (octets, below) => {
      expect(sketch(inPieces(octets, below))).toEqual(sketch(sipFramer().push(octets)));
    });
  });

  it('the journal keeps whatever came, in both modes', () => {
    fuzz(corpus, Math.floor(FUZZ_CASES / 3), (octets) => {
      for (const protocol of ['sip', 'msrp'] as const) {
        for (const mode of ['full', 'headers'] as const) {
          journaled(octets, { protocol, mode, sha256: hostDigest.sha256 });
        }
      }
    });
  });

  it('an ACK to a failure is made of an INVITE and whatever answer it gets', () => {
    const invite = corpus.flatMap((octets) => {
      const parsed = parseSip(octets, 'exact');
      const isInvite =
        parsed.kind === 'message' &&
        parsed.message.start.kind === 'request' &&
        parsed.message.start.method === 'INVITE';
      return isInvite ? [parsed.message] : [];
    })[0];
    fuzz(corpus, Math.floor(FUZZ_CASES / 3), (octets) => {
      const parsed = parseSip(octets, 'datagram');
      if (parsed.kind === 'refusal' || parsed.message.start.kind === 'request' || !invite) return;
      again(ackForFailure(invite, parsed.message));
    });
  });

  it('a reginfo document is a list of registrations or a refusal [RFC 3680 §5]', () => {
    const documents = [
      '<?xml version="1.0"?><reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="full">' +
        '<registration aor="sip:alice@example.org" id="a" state="active"><contact id="1" ' +
        'state="active" event="registered" expires="600" callid="c" cseq="1"><uri>sip:a@192.0.2.1' +
        '</uri><unknown-param name="+g.oma.sip-im"></unknown-param></contact></registration></reginfo>',
    ].map((text) => encoder.encode(text));
    fuzz([...documents, ...documents, ...corpus], Math.floor(FUZZ_CASES / 3), (octets) => {
      parseReginfo(octets);
    });
  });
});
