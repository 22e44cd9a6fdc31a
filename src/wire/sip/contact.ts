import { type NameAddr, parseNameAddrs } from './name-addr.ts';
import { type Params, readParams } from './params.ts';
import { skipSpace } from './token.ts';

/** Every contact of one Contact header line, or `*` (RFC 3261 §10.2.2); `undefined` if malformed. */
export function parseContacts(value: string): readonly NameAddr[] | '*' | undefined {
  return value === '*' ? '*' : parseNameAddrs(value);
}

/**
 * The parameters of one Accept-Contact or Reject-Contact value, `*;+g.oma.sip-im;require`
 * (RFC 3841 §10: the value is always `*`). Those of a Contact come with `parseContacts`.
 */
export function parseFeatureParams(value: string): Params | undefined {
  const start = skipSpace(value, 0);
  if (value[start] !== '*') return undefined;
  const read = readParams(value, start + 1);
  return read === undefined || read.end < value.length ? undefined : read.params;
}

/**
 * Whether a feature tag is asserted (RFC 3840 §9): bare, or with a value that does not say FALSE
 * or !TRUE. Tags compare without case.
 */
export function hasFeature(params: Params, tag: string): boolean {
  const value = params.get(tag.toLowerCase());
  if (value === undefined) return false;
  const said = value.trim().toUpperCase();
  return said !== 'FALSE' && said !== '!TRUE';
}
