// Which messages of one sender are due: a list in order of numbers, and the number that is expected.

/** A message with a number. */
export interface NumberedItem {
  /** Its number; a signed 32-bit integer. */
  readonly number: number;
  /** When it came, by a monotonic clock. */
  readonly since: number;
}

/** Messages of one sender that wait for their turn. */
export class MessageSequence<Item extends NumberedItem> {
  /** The number that is next. */
  expected = 1;
  #items: Item[] = []; // by number
  #oldest = Infinity; // none came before; not a look at each with every message

  /** How many wait. */
  get length(): number {
    return this.#items.length;
  }

  /**
   * Adds one.
   *
   * @returns `false`, and adds nothing, when one with this number waits.
   */
  add(item: Item): boolean {
    const items = this.#items;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[middle]!.number < item.number) low = middle + 1; // middle < length
      else high = middle;
    }
    if (items[low]?.number === item.number) return false;
    items.splice(low, 0, item);
    this.#oldest = Math.min(this.#oldest, item.since);
    return true;
  }

  /** Takes those that are expected, or late. */
  takeReady(): Item[] {
    let count = 0;
    for (const { number } of this.#items) {
      if (number > this.expected) break;
      if (number === this.expected) this.expected = (number + 1) | 0; // as Java wraps
      count++;
    }
    return this.#items.splice(0, count);
  }

  /** Takes those that came before a time; nothing up to the last of them is expected any more. */
  takeExpired(before: number): Item[] {
    if (this.#oldest >= before) return [];
    const expired: Item[] = [];
    const left: Item[] = [];
    this.#oldest = Infinity;
    for (const item of this.#items) {
      if (item.since < before) {
        expired.push(item);
        this.expected = (item.number + 1) | 0;
      } else {
        left.push(item);
        this.#oldest = Math.min(this.#oldest, item.since);
      }
    }
    this.#items = left;
    return expired;
  }

  /** Takes all, in order. */
  takeAll(): Item[] {
    return this.#items.splice(0);
  }
}
