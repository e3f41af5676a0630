/** A log of what happened, to be waited on: an event that came before its waiter is not missed. */

/** How long, and from which place of the log on, an event is waited for. */
export interface EventWaitOptions {
  /** Milliseconds. @default {15000} */
  readonly timeout?: number;
  /** Leave out events before this place of {@linkcode EventLog.events}. @default {0} */
  readonly after?: number;
}

interface Waiter<Event> {
  readonly accept: (event: Event) => boolean;
  readonly resolve: (event: Event) => void;
  readonly reject: (reason: Error) => void;
}

/** Events in their order, each kept. */
export class EventLog<Event> {
  readonly #name: string;
  readonly #events: Event[] = [];
  readonly #waiters = new Set<Waiter<Event>>();
  #failure: Error | undefined;

  /** Makes a log; `name` is whose events they are, for the error of a wait in vain. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Everything so far. */
  get events(): readonly Event[] {
    return this.#events;
  }

  /** The number of events so far: given as `after`, a wait looks at new events only. */
  get length(): number {
    return this.#events.length;
  }

  /** Adds an event. */
  push(event: Event): void {
    this.#events.push(event);
    for (const waiter of this.#waiters) {
      if (!waiter.accept(event)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(event);
    }
  }

  /** No more events come: waiters are rejected with the reason. */
  end(reason: Error): void {
    this.#failure ??= reason;
    for (const waiter of this.#waiters) waiter.reject(this.#failure);
    this.#waiters.clear();
  }

  /**
   * Waits for the first event, past or to come, that the predicate accepts.
   *
   * @throws {Error} After the time; the text holds the last events.
   */
  waitFor<Wanted extends Event>(
    accept: (event: Event) => event is Wanted,
    options?: EventWaitOptions,
  ): Promise<Wanted>;
  waitFor(
    accept: (event: Event) => boolean,
    options?: EventWaitOptions,
  ): Promise<Event>;
  waitFor(
    accept: (event: Event) => boolean,
    { timeout = 15_000, after = 0 }: EventWaitOptions = {},
  ): Promise<Event> {
    const past = this.#events.slice(after).find(accept);
    if (past !== undefined) return Promise.resolve(past);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Event>();
    const waiter = { accept, resolve, reject };
    this.#waiters.add(waiter);
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter);
      reject(
        new Error(
          `No such event of ${this.#name} within ${timeout} ms${this.#tail()}`,
        ),
      );
    }, timeout);
    return promise.finally(() => clearTimeout(timer));
  }

  #tail(): string {
    const last = this.#events.slice(-8).map((event) =>
      `\n  ${JSON.stringify(event).slice(0, 500)}`
    );
    return `; the last of ${this.#events.length} events:${last.join("")}`;
  }
}
