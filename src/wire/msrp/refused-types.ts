/** Media types that were refused with 415: not sent again in the session (RFC 4975 §10.6). */
export interface RefusedTypes {
  add(contentType: string): void;
  /** Parameters do not count. */
  has(contentType: string): boolean;
}

export function refusedTypes(): RefusedTypes {
  const types = new Set<string>();
  return {
    add: (contentType) => types.add(mediaType(contentType)),
    has: (contentType) => types.size > 0 && types.has(mediaType(contentType)),
  };
}

function mediaType(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}
