const COMPACT_AT = 1024;

/** A first-in first-out queue on an array: `shift` of a long array would move it each time. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  /** Number of items. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** The item at the front, which stays. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The item at the end, which stays. */
  last(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1];
  }

  /** Takes the item at the front. */
  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (
      this.#head >= COMPACT_AT && this.#head * 2 > this.#items.length
    ) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes the item at the end. */
  pop(): T | undefined {
    return this.length === 0 ? undefined : this.#items.pop();
  }

  /** Takes all items. */
  drain(): T[] {
    const items = this.#items.slice(this.#head) as T[]; // only what stands before #head is undefined
    this.#items = [];
    this.#head = 0;
    return items;
  }
}
