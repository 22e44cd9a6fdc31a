/** Who a request comes from, once its right to come was judged. */
export type Requester =
  /** A trusted peer: its P-Asserted-Identity is believed (RFC 3325 §5). */
  | { readonly kind: 'core' }
  /** A client that proved by digest to be the user of this account. */
  | { readonly kind: 'client'; readonly account: string }
  /** The other end of a dialog of ours: it knows the Call-ID and the tag that nobody can guess. */
  | { readonly kind: 'dialog' };
