/**
 * What RFC 4475 and RFC 5118 ask of a receiver, message by message, written from the RFCs before
 * the parser met the files.
 *
 * `answer` is what a running server answers to the file sent as one UDP datagram. It serves every
 * host and user that a Request-URI here names, asks nobody for credentials, takes MESSAGE,
 * REGISTER, OPTIONS, SUBSCRIBE, INVITE (MSRP offers only), ACK, BYE and CANCEL, and supports no
 * extension of the files. `codec` is what `parseSip` alone says.
 */
export interface TortureRow {
  readonly file: string;
  readonly section: string;
  /** `accepted`: a 2xx. `silence`: nothing is sent. */
  readonly answer: number | 'accepted' | 'silence';
  /** `message`, or the status of the refusal, `null` for one that is dropped. */
  readonly codec: 'message' | number | null;
  readonly why: string;
}

type Columns = readonly [
  section: string,
  answer: TortureRow['answer'],
  codec: TortureRow['codec'],
  why: string,
];

const rows = (rfc: string, files: Readonly<Record<string, Columns>>): readonly TortureRow[] =>
  Object.entries(files).map(([file, [section, answer, codec, why]]) => ({
    file,
    section: `${rfc} §${section}`,
    answer,
    codec,
    why,
  }));

export const RFC4475: readonly TortureRow[] = rows('RFC 4475', {
  // 3.1.1 valid
  wsinv: ['3.1.1.1', 481, 'message', 'well formed; To has a tag and no such dialog exists'],
  intmeth: ['3.1.1.2', 405, 'message', 'well formed; the method is unknown (RFC 3261 §8.2.1)'],
  esc01: ['3.1.1.3', 488, 'message', 'well formed; the offer has no MSRP line'],
  escnull: ['3.1.1.4', 'accepted', 'message', '%00 stays an escape and breaks nothing'],
  esc02: ['3.1.1.5', 405, 'message', '% is a token character: this method is not REGISTER'],
  lwsdisp: ['3.1.1.6', 'accepted', 'message', 'no space is needed before <'],
  longreq: ['3.1.1.7', 488, 'message', 'long but whole; the offer has no MSRP line'],
  dblreq: ['3.1.1.8', 'accepted', 'message', 'what follows Content-Length 0 is discarded'],
  semiuri: ['3.1.1.9', 'accepted', 'message', 'the semicolon belongs to the user part'],
  transports: ['3.1.1.10', 'accepted', 'message', 'any token is a transport in a Via'],
  mpart01: ['3.1.1.11', 'accepted', 'message', 'a MESSAGE with a multipart body is stored: 202'],
  unreason: ['3.1.1.12', 'silence', 'message', 'a response to no request of ours'],
  noreason: ['3.1.1.13', 'silence', 'message', 'a response to no request of ours'],
  // 3.1.2 invalid
  badinv01: ['3.1.2.1', 400, 400, 'empty parameters and values in Via; sent to the source'],
  clerr: ['3.1.2.2', 400, 400, 'Content-Length exceeds the datagram'],
  ncl: ['3.1.2.3', 400, 400, 'negative Content-Length'],
  scalar02: ['3.1.2.4', 400, 400, 'CSeq number above 2**31 - 1'],
  scalarlg: ['3.1.2.5', 'silence', null, 'a response with a CSeq number above 2**31 - 1'],
  quotbal: ['3.1.2.6', 400, 400, 'unbalanced quote in To: SHOULD be 400, inference is a guess'],
  ltgtruri: ['3.1.2.7', 400, 400, '400 is always reasonable; brackets are no part of a URI'],
  lwsruri: ['3.1.2.8', 400, 400, 'white space in the Request-URI'],
  lwsstart: ['3.1.2.9', 400, 400, 'strict by choice: a start line is read in one way only'],
  trws: ['3.1.2.10', 400, 400, 'strict by choice: a start line is read in one way only'],
  escruri: ['3.1.2.11', 400, 400, 'strict by choice: nobody sends headers in it honestly'],
  baddate: ['3.1.2.12', 488, 'message', 'Date does not matter to an INVITE refused for its offer'],
  regbadct: ['3.1.2.13', 400, 'message', 'the registrar reads Contact, the codec does not'],
  badaspec: ['3.1.2.14', 'accepted', 'message', 'liberal by choice: the spaces are not ambiguous'],
  baddn: ['3.1.2.15', 400, 400, '400 is always reasonable; besides, the file has no empty line'],
  badvers: ['3.1.2.16', 505, 505, 'SIP/7.0'],
  mismatch01: ['3.1.2.17', 400, 400, 'CSeq names another method'],
  mismatch02: ['3.1.2.18', 501, 501, 'likewise, of an unknown method: 501 rather than 400'],
  bigcode: ['3.1.2.19', 'silence', null, 'status 4294967301'],
  // 3.2, 3.3, 3.4
  badbranch: ['3.2.1', 400, 400, 'the magic cookie alone: 400 by choice, without a transaction'],
  insuf: ['3.3.1', 400, 400, 'no Call-ID, From, To: 400 with the headers there are'],
  unkscm: ['3.3.2', 416, 'message', 'well formed; unknown scheme'],
  novelsc: ['3.3.3', 416, 'message', 'well formed; a scheme never meaningful here'],
  unksm2: ['3.3.4', 400, 'message', 'well formed; a registrar needs a SIP URI in To'],
  bext01: ['3.3.5', 420, 'message', 'Require names what nobody supports'],
  invut: ['3.3.6', 415, 'message', 'unknown body type'],
  regaut01: ['3.3.7', 'accepted', 'message', 'no credentials are asked, so none are looked at'],
  multi01: ['3.3.8', 400, 400, 'five headers twice'],
  mcl01: ['3.3.9', 400, 400, 'two Content-Lengths that differ'],
  bcast: ['3.3.10', 'silence', 'message', 'well formed; a response to no request of ours'],
  zeromf: ['3.3.11', 'accepted', 'message', 'an endpoint does not look at Max-Forwards'],
  cparam01: ['3.3.12', 'accepted', 'message', 'a parameter of the contact, not of its URI'],
  cparam02: ['3.3.13', 'accepted', 'message', 'a parameter of the URI'],
  regescrt: ['3.3.14', 'accepted', 'message', 'headers are legal in a Contact URI in brackets'],
  sdp01: ['3.3.15', 488, 'message', '406 and 400 fit, too; the offer is refused before an answer'],
  inv2543: ['3.4.1', 488, 'message', 'an RFC 2543 request is read; the offer has no MSRP line'],
  // In the archive, shown in no section.
  test: ['3', 'silence', null, 'no version, no Via: there is nowhere to answer to'],
});

export const RFC5118: readonly TortureRow[] = rows('RFC 5118', {
  'ipv6-good': ['4.1', 'accepted', 'message', 'well formed'],
  'ipv6-bad': ['4.2', 400, 400, 'an IPv6 address without brackets in the Request-URI'],
  'port-ambiguous': ['4.3', 'accepted', 'message', 'well formed, if not what was meant'],
  'port-unambiguous': ['4.4', 'accepted', 'message', 'well formed'],
  'via-received-param-with-delim': ['4.5', 481, 'message', 'both forms MUST be taken; no dialog'],
  'via-received-param-no-delim': ['4.5', 'accepted', 'message', 'both forms MUST be taken'],
  'ipv6-in-sdp': ['4.6', 400, 400, 'meant to be valid, but its Content-Length is 268 over 251'],
  'mult-ip-in-header': ['4.7', 481, 'message', 'well formed; BYE of no dialog'],
  'mult-ip-in-sdp': ['4.8', 488, 'message', 'well formed; the offer has no MSRP line'],
  'ipv4-mapped-ipv6': ['4.9', 488, 'message', 'well formed; the offer has no MSRP line'],
  'ipv6-bug-abnf-3-colons': ['4.10', 'accepted', 'message', 'both forms MUST be tolerated'],
  'ipv6-correct-abnf-2-colons': ['4.10', 'accepted', 'message', 'both forms MUST be tolerated'],
});

/** What a server that serves `example.com` alone answers otherwise: nobody else is at home there. */
export const SERVING_EXAMPLE_COM: Readonly<Record<string, TortureRow['answer']>> = {
  esc01: 404, // example.net
  mpart01: 404, // example.org
  'mult-ip-in-sdp': 404, // [2001:db8::10]
};

/** What is answered otherwise on a stream, where Content-Length delimits (RFC 3261 §18.3). */
export const ON_A_STREAM: Readonly<Record<string, TortureRow['answer']>> = {
  // More octets are announced than come: the rest is waited for, 32 s at most.
  clerr: 'silence',
  'ipv6-in-sdp': 'silence',
  // Without the empty line its head has no end.
  baddn: 'silence',
  // No Content-Length: nothing tells where the message ends.
  inv2543: 400,
};

/** Files that the `sip` package has beside those of RFC 4475 (`*.dat`). */
export const SIP_PACKAGE: readonly TortureRow[] = rows('RFC 3261', {
  badcseq: ['8.1.1.5', 400, 400, 'CSeq has no number and no method'],
  baddn_sep: ['7.5', 'silence', null, 'an empty line is no message'],
});
