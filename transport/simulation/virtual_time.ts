// Virtual time and the driver that lets it pass.
//
// Plan: while somebody waits for a goal, the driver gives the process a macrotask turn, settles the
// goals that are reached, and if there is none runs all events of the next instant.
//
// Invariants:
// - One driver at a time, and none while nobody waits: time stands still then.
// - `now` never goes back; an event that is added for the past happens in the present.
// - Between two instants every promise reaction runs, so code that waits for nothing but promises has
//   done all it can do at an instant before the next one begins.
// - Goals that can no longer be reached fail, all of them at once; none is forgotten.
//
// It knows nothing of hosts and links, and has no real timer.
import { EventHeap, type ScheduledEvent } from "./events.ts";

/** What somebody waits for. */
interface Goal {
  readonly reached: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Virtual time: what is to happen, and the driver that makes it happen. */
export class VirtualTime {
  /** Virtual milliseconds since the start; only the driver moves it. */
  now = 0;
  readonly #seed: number;
  readonly #events = new EventHeap();
  readonly #goals = new Set<Goal>();
  #onTheWay = 0;
  #driving = false;

  /**
   * Starts at 0 with nothing to happen.
   *
   * @param seed Told when a run cannot go on, so that it can be repeated.
   */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Lets something happen at a time. */
  at(time: number, run: () => void): ScheduledEvent {
    return this.#events.add(time, run);
  }

  /** Lets it not happen after all. */
  cancel(event: ScheduledEvent): void {
    this.#events.cancel(event);
  }

  /** Lets a packet arrive at a time; until then it is on its way. */
  transmit(time: number, arrive: () => void): void {
    this.#onTheWay++;
    this.at(time, () => {
      this.#onTheWay--;
      arrive();
    });
  }

  /** Lets time pass until all events up to then have happened. */
  advance(milliseconds: number): Promise<void> {
    const target = this.now + Math.max(0, milliseconds);
    this.at(target, () => {});
    return this.reach(() =>
      this.now >= target && (this.#events.first()?.time ?? Infinity) > target
    );
  }

  /** Lets time pass until no packet is on its way and nothing more is due. */
  settle(): Promise<void> {
    return this.reach(() =>
      this.#onTheWay === 0 &&
      (this.#events.first()?.time ?? Infinity) > this.now
    );
  }

  /** Lets time pass until a condition holds; several may be waited for. */
  reach(reached: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#goals.add({ reached, resolve, reject });
      if (!this.#driving) this.#drive();
    });
  }

  async #drive(): Promise<void> {
    this.#driving = true;
    while (this.#goals.size > 0) {
      await macrotaskTurn();
      const reached = [...this.#goals].filter((goal) => goal.reached());
      for (const goal of reached) {
        this.#goals.delete(goal);
        goal.resolve();
      }
      // Whoever waited goes on before anything else happens.
      if (reached.length === 0) this.#runInstant();
    }
    this.#driving = false;
  }

  /** Runs all events of the next instant. */
  #runInstant(): void {
    let event = this.#events.first();
    if (event === undefined) return this.#giveUp();
    this.now = Math.max(this.now, event.time);
    while (event !== undefined && event.time <= this.now) {
      this.#events.removeFirst();
      const run = event.run;
      event.run = undefined;
      run?.();
      event = this.#events.first();
    }
  }

  #giveUp(): void {
    const error = new Error(
      `Cannot finish: nothing is left to happen at ${this.now} ms with seed ${this.#seed}`,
    );
    for (const goal of this.#goals) goal.reject(error);
    this.#goals.clear();
  }
}

const { setImmediate } = globalThis as {
  setImmediate?: (callback: () => void) => void;
};

/**
 * A turn of the event loop: the microtask queue, however long, is empty when it comes. Deno, Bun
 * and Node have `setImmediate`, which has no minimum delay. Elsewhere a message channel serves; in
 * Deno it would not, for there messages arrive amid the microtasks.
 */
function macrotaskTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (setImmediate !== undefined) return setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
