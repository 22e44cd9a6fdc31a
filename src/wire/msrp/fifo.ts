/** First in, first out, however long it gets. */
export interface Fifo<Item> {
  put(item: Item): void;
  /** The oldest, which stays. */
  first(): Item | undefined;
  /** Removes the oldest. */
  take(): void;
  /** Removes all and returns them, oldest first. */
  clear(): readonly Item[];
}

const TAKEN_MAX = 4096;

export function fifo<Item>(): Fifo<Item> {
  let items: Item[] = [];
  /** What stands before it has been taken. */
  let head = 0;

  return {
    put(item) {
      items.push(item);
    },
    first: () => items[head],
    take() {
      head++;
      // Taking from the front of an array moves the rest of it: done rarely, it costs nothing.
      if (head < items.length && head < TAKEN_MAX) return;
      items = items.slice(head);
      head = 0;
    },
    clear() {
      const rest = items.slice(head);
      items = [];
      head = 0;
      return rest;
    },
  };
}
