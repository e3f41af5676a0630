// Which encrypted messages were seen: those of the last seconds, by initialization vector.
//
// A message older than the window is refused for its age, so that only what is younger need be
// remembered. When there is no room the oldest is forgotten, and whatever is not younger than it is
// refused from then on. The clocks of all members must agree within the window.

/** Options of {@linkcode ReplayWindow}. */
export interface ReplayWindowOptions {
  /** How far a message's time may lie from now, in milliseconds. */
  readonly time: number;
  /** Greatest number of messages that are remembered. */
  readonly messageCount: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What there is to say of a message. */
export type ReplayVerdict = "new" | "replayed" | "out-of-window";

interface Seen {
  readonly timestamp: number;
  readonly count: number; // the first of one time is the oldest
  readonly id: string;
}

/** Remembers messages, and refuses those that it has seen, or may have forgotten. */
export class ReplayWindow {
  readonly #time: number;
  readonly #messageCount: number;
  readonly #ids = new Set<string>();
  readonly #oldestFirst: Seen[] = []; // a heap
  #forgotten: number;
  #count = 0;

  /** Makes a window that has seen nothing. */
  constructor({ time, messageCount, now }: ReplayWindowOptions) {
    this.#time = time;
    this.#messageCount = messageCount;
    this.#forgotten = now - time;
  }

  /** Number of messages that are remembered. */
  get size(): number {
    return this.#ids.size;
  }

  /**
   * Takes a message that was decrypted.
   *
   * @param iv Its initialization vector.
   * @param timestamp The time in it.
   * @param now Milliseconds since 1970.
   * @returns `new` once for each message, and never for one that may have been seen.
   */
  add(iv: Uint8Array, timestamp: number, now: number): ReplayVerdict {
    if (timestamp < now - this.#time || timestamp > now + this.#time) {
      return "out-of-window";
    }
    if (timestamp <= this.#forgotten) return "replayed";
    const id = String.fromCharCode(...iv);
    if (this.#ids.has(id)) return "replayed";
    this.#ids.add(id);
    push(this.#oldestFirst, { timestamp, id, count: this.#count++ });
    while (this.#ids.size > this.#messageCount) {
      const oldest = pop(this.#oldestFirst);
      this.#ids.delete(oldest.id);
      this.#forgotten = Math.max(this.#forgotten, oldest.timestamp);
    }
    return "new";
  }
}

/** Adds an entry; times nearly always grow, and then this looks at one other. */
function push(heap: Seen[], entry: Seen): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent]!; // at > 0
    if (isOlder(above, entry)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

/** Takes the oldest entry of a heap that is not empty. */
function pop(heap: Seen[]): Seen {
  const oldest = heap[0]!; // not empty
  const entry = heap.pop()!; // not empty
  if (heap.length === 0) return oldest;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && isOlder(right, heap[child]!)) child++; // child < length
    const below = heap[child]!; // likewise
    if (isOlder(entry, below)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = entry;
  return oldest;
}

function isOlder(a: Seen, b: Seen): boolean {
  return a.timestamp < b.timestamp ||
    a.timestamp === b.timestamp && a.count < b.count;
}
