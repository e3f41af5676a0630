// What will happen in a simulated network: a binary heap of events.
//
// Invariants:
// - The order is total: by time, and within one instant by creation. So a run never depends on how the
//   heap happens to be built.
// - An event without `run` is over: it has happened or was cancelled. A cancelled one stays in the heap
//   until it comes to the top or a sweep takes it out.

/** Something that will happen; `run` is taken out when it happens or is cancelled. */
export interface ScheduledEvent {
  /** When, in virtual milliseconds. */
  readonly time: number;
  /** Place among all events in the order of their creation. */
  readonly order: number;
  /** What happens. */
  run: (() => void) | undefined;
}

/** A binary heap of events: the earliest first, of one instant the oldest. */
export class EventHeap {
  #events: ScheduledEvent[] = [];
  #order = 0;
  #cancelled = 0;

  /**
   * Adds what is to happen.
   *
   * @param time When, in virtual milliseconds.
   * @param run What.
   * @returns The event, for {@linkcode EventHeap.cancel}.
   */
  add(time: number, run: () => void): ScheduledEvent {
    const event: ScheduledEvent = { time, order: this.#order++, run };
    const events = this.#events;
    let i = events.length;
    events.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = events[parent] as ScheduledEvent; // i > 0, so there is one
      if (!precedes(event, above)) break;
      events[i] = above;
      i = parent;
    }
    events[i] = event;
    return event;
  }

  /** Takes the event's work out; most timers are cancelled, so they are swept now and then. */
  cancel(event: ScheduledEvent): void {
    if (event.run === undefined) return;
    event.run = undefined;
    this.#cancelled++;
    if (this.#cancelled > 1024 && this.#cancelled * 2 > this.#events.length) {
      this.#events = this.#events
        .filter((event) => event.run !== undefined)
        .sort((a, b) => precedes(a, b) ? -1 : 1); // a sorted array is a heap
      this.#cancelled = 0;
    }
  }

  /** The next event that was not cancelled. */
  first(): ScheduledEvent | undefined {
    while (this.#events[0] !== undefined && this.#events[0].run === undefined) {
      this.removeFirst();
      this.#cancelled--;
    }
    return this.#events[0];
  }

  /** Takes out the event at the top, cancelled or not. */
  removeFirst(): void {
    const events = this.#events;
    const last = events.pop();
    if (last === undefined || events.length === 0) return;
    let i = 0;
    for (;;) {
      const left = events[2 * i + 1];
      const right = events[2 * i + 2];
      if (left === undefined) break;
      const rightFirst = right !== undefined && precedes(right, left);
      const child = rightFirst ? right : left;
      if (!precedes(child, last)) break;
      events[i] = child;
      i = 2 * i + (rightFirst ? 2 : 1);
    }
    events[i] = last;
  }
}

function precedes(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.time === b.time ? a.order < b.order : a.time < b.time;
}
