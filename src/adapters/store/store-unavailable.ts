/** Says why a store cannot be opened, where it is, and what to do. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
