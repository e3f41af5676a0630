/**
 * The inbound half of an adapter: events push, one reader pulls.
 *
 * A stream adapter pauses its source in `onFull` and resumes it in `onReady`, so what it reads
 * ahead stays within the mark and one chunk. A lossy adapter compares {@linkcode PullQueue.size}
 * with its own limit before it pushes. A pull that finds nothing costs one promise and no storage.
 *
 * @module
 */

/** Options of {@linkcode PullQueue}. */
export interface PullQueueOptions {
  /** Sum of sizes from which the queue is full. It is ready again below half of that. */
  readonly highWaterMark: number;
  /** Called when the queue becomes full, and when its reader leaves. */
  readonly onFull?: () => void;
  /** Called when a full queue has been read down to half. */
  readonly onReady?: () => void;
}

interface Entry<T> {
  readonly value: T;
  readonly size: number;
}

interface Pull<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const DONE: IteratorResult<never, undefined> = Object.freeze({
  done: true,
  value: undefined,
});

/** A queue of values between event handlers and one `for await` loop. */
export class PullQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #options: PullQueueOptions;
  #entries: Entry<T>[] = [];
  #head = 0;
  #size = 0;
  #full = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #pull: Pull<T> | undefined;
  #iterated = false;

  /**
   * Makes an empty queue.
   *
   * @param options The mark, and what happens when it is crossed.
   */
  constructor(options: PullQueueOptions) {
    this.#options = options;
  }

  /** Sum of the sizes of what waits to be pulled. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a value.
   *
   * @param value Goes to the reader as it is.
   * @param size What it counts towards the mark.
   * @returns False when the queue has ended or its reader has left, and the value was not taken.
   */
  push(value: T, size: number): boolean {
    if (this.#ended) return false;
    const pull = this.#pull;
    if (pull !== undefined) {
      this.#pull = undefined;
      pull.resolve({ done: false, value });
      return true;
    }
    this.#entries.push({ value, size });
    this.#size += size;
    if (!this.#full && this.#size >= this.#options.highWaterMark) {
      this.#full = true;
      this.#options.onFull?.();
    }
    return true;
  }

  /** Ends the iteration once everything pushed so far has been pulled. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pull?.resolve(DONE);
    this.#pull = undefined;
  }

  /**
   * Ends the iteration with an error once everything pushed so far has been pulled.
   *
   * @param error Thrown to the reader, once.
   */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#pull === undefined) this.#failure = { error };
    else this.#pull.reject(error);
    this.#pull = undefined;
  }

  /**
   * Ends the iteration at once and takes out what nobody pulled, so that its owner can release it.
   *
   * @returns The values, in order.
   */
  clear(): T[] {
    const values = this.#entries.slice(this.#head).map((entry) => entry.value);
    this.#entries = [];
    this.#head = 0;
    this.#size = 0;
    this.#failure = undefined;
    this.end();
    return values;
  }

  /**
   * Hands the queue to its one reader.
   *
   * @returns The queue itself.
   * @throws {TypeError} The second time.
   */
  iterate(): this {
    if (this.#iterated) {
      throw new TypeError("Cannot iterate twice: a socket has one reader");
    }
    this.#iterated = true;
    return this;
  }

  /** The queue is its own iterator. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Pulls one value. One pull may wait at a time.
   *
   * @returns The oldest value, or the end.
   */
  next(): Promise<IteratorResult<T, undefined>> {
    const entry = this.#entries[this.#head];
    if (entry !== undefined) return Promise.resolve(this.#shift(entry));
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve(DONE);
    if (this.#pull !== undefined) {
      return Promise.reject(new TypeError("Cannot pull: a pull is waiting"));
    }
    return new Promise((resolve, reject) => {
      this.#pull = { resolve, reject };
    });
  }

  /**
   * Called when the reader leaves its loop: nothing more is taken, and the source stays paused.
   * What is still queued waits for {@linkcode PullQueue.clear}.
   *
   * @returns The end.
   */
  return(): Promise<IteratorResult<T, undefined>> {
    if (!this.#ended && !this.#full) {
      this.#full = true;
      this.#options.onFull?.();
    }
    this.end();
    return Promise.resolve(DONE);
  }

  #shift(entry: Entry<T>): IteratorResult<T, undefined> {
    this.#head++;
    this.#size -= entry.size;
    if (this.#head === this.#entries.length) {
      this.#entries = [];
      this.#head = 0;
    }
    if (
      this.#full && !this.#ended &&
      this.#size <= this.#options.highWaterMark / 2
    ) {
      this.#full = false;
      this.#options.onReady?.();
    }
    return { done: false, value: entry.value };
  }
}
