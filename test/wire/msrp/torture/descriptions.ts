/** Session descriptions of the set, played on the readers and writers of `src/wire/sdp`. */
import { judgeAnswer } from '../../../../src/wire/sdp/judge-answer.ts';
import { parseMsrpMedia } from '../../../../src/wire/sdp/msrp-media.ts';
import { renderAnswer, renderOffer } from '../../../../src/wire/sdp/render-msrp.ts';
import { repeatDescription } from '../../../../src/wire/sdp/repeat-description.ts';
import type { ReadCase, Reading, WriteCase } from './cases.ts';

/** What of the reading is not as the case says. */
export function readDescription({ read, expect }: ReadCase): readonly string[] {
  const octets = Buffer.from(read.description.join(''), 'latin1');
  const seen = read.kind === 'offer' ? offerRead(octets) : answerRead(octets, read);
  const wanted: readonly Reading[] = Array.isArray(expect) ? expect : [expect];
  const verdicts = wanted.map(({ usable, path, connects }) => {
    const found: string[] = [];
    if (usable !== seen.usable) found.push(`usable: ${seen.usable} (${seen.reason ?? ''})`);
    if (path !== undefined && path.join(' ') !== seen.path?.join(' ')) {
      found.push(`path: ${seen.path?.join(' ')}`);
    }
    if (connects !== undefined && connects !== seen.connects) {
      found.push(`connects: ${seen.connects}`);
    }
    return found;
  });
  return verdicts.some((found) => found.length === 0) ? [] : verdicts.flat();
}

type Read = Reading & { readonly reason?: string };

function offerRead(octets: Uint8Array): Read {
  const parsed = parseMsrpMedia(octets);
  if (parsed.kind === 'refusal') return { usable: false, reason: parsed.reason };
  const { port, path, setup, protocol } = parsed.media;
  if (port === 0) return { usable: false, reason: 'port 0' };
  if (protocol !== 'TCP/MSRP') return { usable: false, reason: protocol };
  return { usable: true, path, connects: setup === 'passive' ? 'us' : 'peer' };
}

function answerRead(octets: Uint8Array, { types = [], wrapped = [] }: ReadCase['read']): Read {
  // The endpoint under test sends one container, and inside it what is asked for here.
  if (types.join() !== 'multipart/mixed') throw new Error('it sends multipart/mixed alone');
  const answer = judgeAnswer(octets, { assumeMultipart: false, wrappedNeeded: wrapped });
  if (!answer.acceptable) return { usable: false, reason: answer.reason };
  const connects = answer.setup === 'active' ? 'peer' : 'us';
  return { usable: true, path: answer.path, connects };
}

/** What of the description written is not as the case says. */
export function writeDescription({ write, expect }: WriteCase): readonly string[] {
  const { before, lines } = written(write);
  const fits = (pattern: string) => (line: string) => {
    const [, source] = /^\/(.*)\/$/.exec(pattern) ?? [];
    return source === undefined ? line === pattern : new RegExp(source).test(line);
  };
  const found: string[] = [];
  for (const pattern of expect.has ?? []) {
    if (!lines.some(fits(pattern))) found.push(`without ${pattern}`);
  }
  for (const pattern of expect.hasNot ?? []) {
    if (lines.some(fits(pattern))) found.push(`with ${pattern}`);
  }
  const mLines = lines.filter((line) => line.startsWith('m='));
  if (expect.mLines !== undefined && mLines.join() !== expect.mLines.join()) {
    found.push(`media lines: ${mLines.join()}`);
  }
  const { same } = expect;
  if (same !== undefined && lines.find(fits(same)) !== before.find(fits(same))) {
    found.push(`${lines.find(fits(same))} was ${before.find(fits(same))}`);
  }
  if (found.length > 0) found.push(`in ${lines.join(' ')}`);
  return found;
}

/** The lines, and for a repetition those of before. */
function written({ kind, host, port, sessionId = '', offered = [], peerConnects }: Write): {
  readonly before: readonly string[];
  readonly lines: readonly string[];
} {
  const ours = { host, port, sessionId, originId: 3_980_000_000 };
  const linesOf = (octets: Uint8Array) => Buffer.from(octets).toString('latin1').split('\r\n');
  const offer = renderOffer(ours);
  if (kind === 'offer') return { before: [], lines: linesOf(offer) };
  const parsed = parseMsrpMedia(Buffer.from(offered.join(''), 'latin1'));
  if (parsed.kind === 'refusal') throw new Error(parsed.reason);
  const { media } = parsed;
  if (kind === 'answer') {
    // The role is for the caller to choose: passive, unless the peer insists on it.
    const setup = media.setup === 'passive' ? 'active' : 'passive';
    return { before: [], lines: linesOf(renderAnswer({ ...ours, setup, offered: media })) };
  }
  const repeated = repeatDescription(offer, media, { peerConnects: peerConnects === true });
  return { before: linesOf(offer), lines: linesOf(repeated) };
}

type Write = WriteCase['write'];
